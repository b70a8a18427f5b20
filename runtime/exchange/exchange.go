// Package exchange carries batches and control elements between subtasks: over a
// bounded queue within a worker, over core NATS between workers, behind one surface.
package exchange
