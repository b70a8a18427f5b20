package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/wasmill/wasmill/snapshots"
)

// Options are what a URL says:
//
//	s3://BUCKET/PREFIX?endpoint=HOST:PORT&region=REGION&tls=false&sse=aes256|kms:KEY
type Options struct {
	Bucket   string
	Prefix   string // without slashes at its ends
	Endpoint string // host and port; empty: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's
	Region   string // empty: AWS_REGION, AWS_DEFAULT_REGION, or as the bucket says
	NoTLS    bool
	// SSE is the server-side encryption: empty (as the bucket is set), aes256, or
	// kms:KEY with the name of a key that the server has.
	SSE string
	// Transport, if not nil, makes the requests.
	Transport http.RoundTripper
}

// ParseURL reads a store's URL; its error has every problem.
func ParseURL(location string) (Options, error) {
	var o Options
	u, err := url.Parse(location)
	if err != nil {
		// Not a word of it: what can't be read may be a secret in the wrong place.
		return o, errors.New("open store: its URL can't be read (write s3://BUCKET/PREFIX, without credentials)")
	}
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if u.Scheme != "s3" {
		bad("scheme %q is not s3", u.Scheme)
	}
	if u.User != nil {
		bad("credentials do not belong in a URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use ~/.aws/credentials")
	}
	o.Bucket, o.Prefix = u.Host, strings.Trim(u.Path, "/")
	if o.Bucket == "" {
		bad("no bucket: s3://BUCKET/PREFIX")
	} else if err := s3utils.CheckValidBucketName(o.Bucket); err != nil {
		bad("bucket %q: %w", o.Bucket, err)
	}
	if o.Prefix != "" && snapshots.CheckName(o.Prefix) != nil {
		bad("prefix %q: segments of letters, digits and ._-=~+@ are possible", o.Prefix)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		bad("%w", err)
	}
	for name, values := range query {
		if len(values) > 1 {
			bad("%s is given twice", name)
		}
		if err := o.set(name, values[0]); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return o, fmt.Errorf("open store %q: %w", redact(u), oneLine(problems))
	}
	return o, nil
}

func oneLine(problems []error) error {
	text := make([]string, len(problems))
	for i, err := range problems {
		text[i] = err.Error()
	}
	return errors.New(strings.Join(text, "; "))
}

// redact leaves out what may be a secret in the wrong place.
func redact(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (o *Options) set(name, value string) error {
	switch name {
	case "endpoint":
		return o.setEndpoint(value)
	case "region":
		o.Region = value
	case "tls":
		tls, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("tls=%s: true or false", value)
		}
		o.NoTLS = !tls
	case "sse":
		if value != "aes256" && (!strings.HasPrefix(value, "kms:") || value == "kms:") {
			return fmt.Errorf("sse=%s: aes256 or kms:KEY", value)
		}
		o.SSE = value
	default:
		return fmt.Errorf("unknown parameter %q: endpoint, region, tls and sse are known", name)
	}
	return nil
}

// setEndpoint takes HOST:PORT, or a URL whose scheme says whether there is TLS.
func (o *Options) setEndpoint(value string) error {
	scheme, host, found := strings.Cut(value, "://")
	if !found {
		host = value
	} else if scheme != "http" && scheme != "https" {
		return fmt.Errorf("endpoint=%s: http or https", value)
	}
	o.Endpoint = strings.TrimSuffix(host, "/")
	if o.Endpoint == "" || strings.ContainsAny(o.Endpoint, "/?@ ") {
		return fmt.Errorf("endpoint=%s: HOST:PORT is expected", value)
	}
	if scheme == "http" && found {
		o.NoTLS = true
	}
	return nil
}

// Open opens a store by its URL, as in Options. Credentials come from AWS_ACCESS_KEY_ID
// and its kin, MINIO_ACCESS_KEY and MINIO_SECRET_KEY, ~/.aws/credentials or
// ~/.aws/config (AWS_PROFILE), ~/.mc/config.json, or the machine's role, in this order.
// It sends nothing yet.
func Open(location string) (*Store, error) {
	o, err := ParseURL(location)
	if err != nil {
		return nil, err
	}
	return New(o)
}

// New opens a store.
func New(o Options) (*Store, error) {
	if err := o.fromEnvironment(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{bucket: o.Bucket, prefix: o.Prefix, slots: make(chan struct{}, uploads)}
	if s.prefix != "" {
		s.prefix += "/"
	}
	if key, ok := strings.CutPrefix(o.SSE, "kms:"); ok {
		var err error
		if s.sse, err = encrypt.NewSSEKMS(key, nil); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	} else if o.SSE != "" {
		s.sse = encrypt.NewSSE()
	}
	transport := o.Transport
	if transport == nil {
		t, err := minio.DefaultTransport(!o.NoTLS)
		if err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
		t.ResponseHeaderTimeout = 30 * time.Second
		transport = t
	}
	client, err := minio.New(o.Endpoint, &minio.Options{
		Creds: chain(transport), Secure: !o.NoTLS, Region: o.Region, Transport: transport,
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	client.SetAppInfo("wasmill", "1")
	s.client = client
	return s, nil
}

func (o *Options) fromEnvironment() error {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if o.Region == "" {
			o.Region = os.Getenv(name)
		}
	}
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		if value := os.Getenv(name); o.Endpoint == "" && value != "" {
			if err := o.setEndpoint(value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if o.Endpoint == "" {
		o.Endpoint = "s3.amazonaws.com"
	}
	return nil
}

// chain looks for credentials in the usual places.
func chain(transport http.RoundTripper) *credentials.Credentials {
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.EnvMinio{},
		&credentials.FileAWSCredentials{},
		&credentials.FileMinioClient{},
		&credentials.IAM{Client: &http.Client{Transport: transport, Timeout: 5 * time.Second}},
	})
}
