// Package keygroup maps keys to key groups and key groups to subtasks. The map is
// part of every savepoint: it never changes.
//
// The model is Flink's key groups: a job has maxParallelism of them for life, and a
// rescale moves whole groups.
package keygroup

import "github.com/cespare/xxhash/v2"

// Of is the key group of a key: xxhash64 with seed 0, modulo maxParallelism.
func Of(key []byte, maxParallelism int) int { return OfHash(Hash(key), maxParallelism) }

// Hash is the hash of a key, for those who need it for more than the group.
func Hash(key []byte) uint64 { return xxhash.Sum64(key) }

// OfHash is the key group of a key with that hash.
func OfHash(hash uint64, maxParallelism int) int { return int(hash % uint64(maxParallelism)) }

// Subtask is the subtask that owns a group.
func Subtask(group, parallelism, maxParallelism int) int {
	return group * parallelism / maxParallelism
}

// Range is the half-open range [first, end) of groups that a subtask owns.
func Range(subtask, parallelism, maxParallelism int) (first, end int) {
	first = (subtask*maxParallelism + parallelism - 1) / parallelism
	end = ((subtask+1)*maxParallelism + parallelism - 1) / parallelism
	return first, end
}
