package main

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/crypto/argon2"

	"github.com/widgetd/widgetd/adapters/argon2id"
)

// The functions in this file return the opponents of the program's writes and log-ins.
// Each opponent has the settings that are fastest for it.

// recordBytes is the size of a value that a store writes: about that of a widget.
const recordBytes = 200

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

// rawBatch writes records with bbolt's own group commit, [bbolt.DB.Batch], in the given
// number of goroutines.
//
// MaxBatchSize is the number of goroutines, so that a transaction begins as soon as all
// of them wait for it. This was the fastest of MaxBatchSize 1000 (bbolt's default), 64,
// 32 and 16 with MaxBatchDelay from 50 µs to 10 ms (the default), with 64 goroutines:
// some 110,000 writes per second. It was 5,000 with both defaults, 20,000 with a delay
// of 1 ms alone, and 40,000 with the best delay alone (200 µs). FreelistType,
// NoFreelistSync and InitialMmapSize made no difference. MaxBatchDelay matters only for
// the end of a round, when fewer goroutines write.
func rawBatch(folder string, goroutines int) (side, func() error, error) {
	db, err := bbolt.Open(filepath.Join(folder, "batch.db"), 0o600, nil)
	if err != nil {
		return side{}, nil, err
	}
	db.MaxBatchSize, db.MaxBatchDelay = goroutines, time.Millisecond
	bucket := []byte("bucket")
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	var last atomic.Uint64
	value := make([]byte, recordBytes)
	return side{name: "bbolt Batch", run: simultaneous(goroutines, func() error {
		key := binary.BigEndian.AppendUint64(nil, last.Add(1))
		return db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })
	})}, db.Close, err
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
