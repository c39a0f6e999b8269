// Makes the databases beside it, with the library that the ECS agent itself uses: Debian's
// golang-github-coreos-bbolt-dev. Buckets, keys and the form of the values are those of the
// agent's agent/data (client.go, metadata_client.go).
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run make.go
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"
)

func put(b *bolt.Bucket, key string, value interface{}) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return b.Put([]byte(key), data)
}

// database has the agent's buckets; each of `steps` is a transaction of its own.
func database(name string, pageSize int, steps ...func(*bolt.Tx) error) {
	os.Remove(name)
	db, err := bolt.Open(name, 0o644, &bolt.Options{PageSize: pageSize})
	if err != nil {
		log.Fatal(err)
	}
	buckets := func(tx *bolt.Tx) error {
		for _, b := range []string{"images", "containers", "tasks", "eniattachments", "metadata"} {
			if _, err := tx.CreateBucketIfNotExists([]byte(b)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, step := range append([]func(*bolt.Tx) error{buckets}, steps...) {
		if err := db.Update(step); err != nil {
			log.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		log.Fatal(err)
	}
}

func metadata(key, value string) func(*bolt.Tx) error {
	return func(tx *bolt.Tx) error { return put(tx.Bucket([]byte("metadata")), key, value) }
}

func main() {
	// As after an agent's first start: the metadata bucket lies inline.
	database("agent.db", 4096,
		metadata("availability-zone", "us-west-2a"),
		metadata("cluster-name", "default"),
		metadata("container-instance-arn", "arn:aws:ecs:us-west-2:123456789012:container-instance/default/0123456789abcdef0123456789abcdef"),
		metadata("ec2-instance-id", "i-0123456789abcdef0"),
		metadata("task-manifest-seq-num", "0"),
		metadata("agent-version", "1.99.0"))
	// Before it registered.
	database("fresh.db", 4096)
	// Everything that the format has: branch pages at both levels, values longer than a page,
	// buckets with pages of their own, pages that were freed.
	database("deep.db", 1024,
		func(tx *bolt.Tx) error {
			tasks := tx.Bucket([]byte("tasks"))
			for i := 0; i < 15; i++ {
				if err := put(tasks, fmt.Sprintf("task-%03d", i), strings.Repeat("t", 200*i)); err != nil {
					return err
				}
			}
			for i := 0; i < 30; i++ {
				name := fmt.Sprintf("bucket-%03d-%s", i, strings.Repeat("n", 60))
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			return nil
		},
		func(tx *bolt.Tx) error {
			for i := 0; i < 60; i++ {
				for _, key := range []string{"a", "m", "z"} {
					name := fmt.Sprintf("%s-%03d", key, i)
					if err := put(tx.Bucket([]byte("metadata")), name, strings.Repeat(key, 30)); err != nil {
						return err
					}
				}
			}
			return nil
		},
		metadata("ec2-instance-id", "i-00000000000000old"),
		metadata("agent-version", strings.Repeat("v", 3000)),
		metadata("ec2-instance-id", "i-0fedcba9876543210"))
}
