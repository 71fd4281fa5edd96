package main

import (
	"context"
	"runtime"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/crypto/argon2"

	"github.com/widgetd/widgetd/adapters/argon2id"
)

// recordBytes is the size of the record of a widget.
const recordBytes = 128

// simultaneous returns a function that measures work in the given number of
// goroutines.
func simultaneous(goroutines int, work func() error) func(time.Duration) (measured, error) {
	return func(duration time.Duration) (measured, error) {
		return repeat(slices.Repeat([]func() error{work}, goroutines), duration)
	}
}

// rawArgon2id computes the hash of the password with the program's parameters, on every
// processor. A log-in cannot be faster than this.
//
// More goroutines than processors did not make it faster. A higher GOGC made it
// slower: 36 ms of processor time per hash with GOGC=400, in place of 31.
func rawArgon2id() side {
	const saltLength, keyLength = 16, 32 // bytes, as in the program
	params := argon2id.DefaultParams()
	salt := make([]byte, saltLength)
	return side{name: "argon2id", run: simultaneous(runtime.GOMAXPROCS(0), func() error {
		argon2.IDKey([]byte(password), salt, params.Iterations, params.MemoryKiB, params.Parallelism, keyLength)
		return nil
	})}
}

// rawInsert writes records with MongoDB's driver, one round trip each, in the given
// number of goroutines, with the options of the URI. The driver assigns ascending ids,
// which are the fastest to index.
func rawInsert(ctx context.Context, database *mongo.Database, goroutines int) side {
	raw := database.Collection("raw")
	value := make([]byte, recordBytes)
	return side{name: "driver's InsertOne", run: simultaneous(goroutines, func() error {
		_, err := raw.InsertOne(ctx, bson.D{{Key: "value", Value: value}})
		return err
	})}
}
