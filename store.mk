# The S3 server that tests of object stores run against: built once, in a few minutes.
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c

.PHONY: minio
minio: .tools/bin/minio ## the tests' S3 server into .tools/
test soak: minio

.tools/bin/minio: store.mk
	GOBIN=$(CURDIR)/.tools/bin $(GO) install github.com/minio/minio@$(MINIO_VERSION)
	touch $@
