package connector

import "github.com/wasmill/wasmill/runtime/operator"

// Crash closes a file sink's file as the end of its process would.
func Crash(s operator.Sink) { s.(*fileSink).file.Close() }

// Queued is how many bytes a JetStream source holds.
func Queued(s operator.Source) int {
	q := s.(*jetStreamSource).queue
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}
