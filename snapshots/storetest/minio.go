package storetest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// MinIO is a MinIO server of a test, over a folder of its own. It is a process, listens
// on the loopback only, and ends with the test.
type MinIO struct {
	Address string // HOST:PORT
	Bucket  string // exists

	binary, folder string
	process        *exec.Cmd
	log            string
	ended          chan struct{} // closed when the process has ended
}

// Credentials of every server that StartMinIO starts.
const (
	minioUser     = "wasmill-test"
	minioPassword = "wasmill-test-secret"
	// minioKey encrypts objects on the server: a name, and 32 bytes.
	minioKey = "wasmill-key:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// startTime is how long a server may take to answer.
const startTime = 60 * time.Second

// StartMinIO starts a server, and sets the environment variables by which clients find
// credentials.
func StartMinIO(t testing.TB) *MinIO {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	m := &MinIO{Bucket: "wasmill", binary: filepath.Join(root, ".tools", "bin", "minio"), folder: t.TempDir()}
	if _, err := os.Stat(m.binary); err != nil {
		t.Fatalf("no MinIO server: %v (build it with: make minio)", err)
	}
	m.log = filepath.Join(m.folder, "log")
	if err := os.MkdirAll(filepath.Join(m.folder, "data", m.Bucket), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": minioUser, "AWS_SECRET_ACCESS_KEY": minioPassword, "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1",
	} {
		t.Setenv(name, value)
	}
	t.Cleanup(m.Kill)
	if m.Address, err = freePort(); err != nil {
		t.Fatal(err)
	}
	m.Start(t)
	return m
}

// URL is that of a store below a prefix.
func (m *MinIO) URL(prefix string) string {
	return "s3://" + m.Bucket + "/" + prefix + "?endpoint=" + m.Address + "&tls=false"
}

// Start starts the server, again if it was killed, and waits until it answers.
func (m *MinIO) Start(t testing.TB) {
	t.Helper()
	log, err := os.Create(m.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	m.process = exec.Command(m.binary, "server", "--quiet", "--anonymous", "--address", m.Address, filepath.Join(m.folder, "data"))
	m.process.Env = append(os.Environ(),
		"MINIO_ROOT_USER="+minioUser, "MINIO_ROOT_PASSWORD="+minioPassword, "MINIO_KMS_SECRET_KEY="+minioKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=1", "HOME="+m.folder, "GOMAXPROCS=2")
	m.process.Stdout, m.process.Stderr = log, log
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	m.ended = make(chan struct{})
	go func(p *exec.Cmd, ended chan struct{}) {
		_ = p.Wait() // how it ended is in its log
		close(ended)
	}(m.process, m.ended)
	if err := m.await(t.Context()); err != nil {
		text, _ := os.ReadFile(m.log)
		t.Fatalf("MinIO does not start: %v\n%s", err, text)
	}
}

// await waits until the server is ready.
func (m *MinIO) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Address+"/minio/health/cluster", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-m.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Kill ends the server at once, as a crash does; its objects stay for Start.
func (m *MinIO) Kill() {
	if m.process == nil {
		return
	}
	_ = m.process.Process.Kill() // it may have ended
	<-m.ended
	m.process = nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("find the module's root: no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
