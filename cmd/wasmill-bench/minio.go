package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// minio is an S3 server of its own, over a folder of the lab.
type minio struct {
	url string // of a store in it
	cmd *exec.Cmd
}

const (
	minioUser     = "wasmill-bench"
	minioPassword = "wasmill-bench-secret"
	minioPatience = time.Minute
)

// startMinIO starts the server, and sets the environment by which its clients, the jobs
// included, find credentials.
func (l *lab) startMinIO(ctx context.Context) (*minio, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(l.scratch, "minio")
	if err := os.MkdirAll(filepath.Join(folder, "bench"), 0o755); err != nil {
		return nil, fmt.Errorf("start MinIO: %w", err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": minioUser, "AWS_SECRET_ACCESS_KEY": minioPassword, "AWS_SESSION_TOKEN": "", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("start MinIO: %w", err)
		}
	}
	m := &minio{url: "s3://bench/state?endpoint=" + address + "&tls=false"}
	m.cmd = exec.CommandContext(ctx, filepath.Join(l.root, ".tools", "bin", "minio"), "server", "--quiet", "--anonymous", "--address", address, folder)
	m.cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+minioUser, "MINIO_ROOT_PASSWORD="+minioPassword,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CI_CD=1", "HOME="+l.scratch)
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start MinIO (make minio builds it): %w", err)
	}
	if err := answers(ctx, "http://"+address+"/minio/health/cluster"); err != nil {
		m.stop()
		return nil, fmt.Errorf("start MinIO: %w", err)
	}
	return m, nil
}

// answers waits until a server says that all is well.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, minioPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *minio) stop() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}
