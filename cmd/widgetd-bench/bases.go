package main

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/crypto/argon2"

	"github.com/widgetd/widgetd/adapters/argon2id"
)

// alike returns a run of the same work, so many at once.
func alike(atOnce int, work func() error) func(time.Duration) (measured, error) {
	return func(duration time.Duration) (measured, error) {
		return repeat(slices.Repeat([]func() error{work}, atOnce), duration)
	}
}

// rawArgon2id is what no log-in can be faster than: the hash of the password, with
// the program's parameters, on every processor.
func rawArgon2id() side {
	const saltLength, length = 16, 32 // bytes, as the program has them
	params := argon2id.DefaultParams()
	salt := make([]byte, saltLength)
	return side{name: "argon2id", run: alike(runtime.GOMAXPROCS(0), func() error {
		argon2.IDKey([]byte(password), salt, params.Iterations, params.MemoryKiB, params.Parallelism, length)
		return nil
	})}
}

// rawBatch is bbolt's own way to share an fsync: puts of as many bytes as a widget
// has, so many at once.
func rawBatch(folder string, atOnce int) (side, func() error, error) {
	db, err := bbolt.Open(filepath.Join(folder, "batch.db"), 0o600, nil)
	if err != nil {
		return side{}, nil, err
	}
	bucket := []byte("bucket")
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	var last atomic.Uint64
	value := make([]byte, 200)
	return side{name: "bbolt Batch", run: alike(atOnce, func() error {
		key := binary.BigEndian.AppendUint64(nil, last.Add(1))
		return db.Batch(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })
	})}, db.Close, err
}

// rawInsert is the same for MongoDB: inserts by its driver, one round trip each,
// with the options of the URI.
func rawInsert(ctx context.Context, database *mongo.Database, atOnce int) side {
	raw := database.Collection("raw")
	value := make([]byte, 200)
	return side{name: "driver's InsertOne", run: alike(atOnce, func() error {
		_, err := raw.InsertOne(ctx, bson.D{{Key: "_id", Value: uuid.NewString()}, {Key: "value", Value: value}})
		return err
	})}
}
