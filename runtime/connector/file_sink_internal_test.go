package connector

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/record"
)

// The device stands for a disk without room: its writes fail as those of one do.
func TestFileSinkOnADeviceWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	op := &graph.Operator{Connector: "file", Format: graph.Format{Encode: "lines"}, With: []byte(`{"path":"` + dir + `"}`)}
	opened, err := openFileSink(t.Context(), op, Context{Parallelism: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*fileSink)
	defer s.Close()
	s.file.Close()
	if s.file, err = os.OpenFile("/dev/full", os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	var b record.Builder
	b.Append(record.KeyAbsent, 0, nil, []byte("x"))
	if err := s.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	err = s.Flush()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), dir+": write file: no space left on device (the disk is full") {
		t.Errorf("got error %v, want one of a full disk", err)
	}
	if s.file, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(1); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("prepare after a failed write: got error %v, want the same", err)
	}
}

func TestWriteHints(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOTDIR, syscall.EEXIST, syscall.EACCES, syscall.EPERM, syscall.EPIPE,
	} {
		if writeHint(&os.PathError{Op: "write", Path: "f", Err: err}) == "" {
			t.Errorf("%v has no hint", err)
		}
	}
	if hint := writeHint(syscall.EIO); hint != "" {
		t.Errorf("an I/O error is hinted %q", hint)
	}
}
