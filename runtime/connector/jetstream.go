package connector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
)

// natsSettings say how to reach a NATS server. Whatever is secret lies in files, so
// that neither job files nor plans hold it. They are comparable: who has the same
// settings may share a connection.
type natsSettings struct {
	URL          string `json:"url"`
	Credentials  string `json:"credentials"`
	NKey         string `json:"nkey"`
	User         string `json:"user"`
	PasswordFile string `json:"passwordFile"`
	TokenFile    string `json:"tokenFile"`
	TLSCA        string `json:"tlsCA"`
	TLSCert      string `json:"tlsCert"`
	TLSKey       string `json:"tlsKey"`
	Domain       string `json:"domain"`
}

var natsFields = []graph.Field{
	{Name: "url", Type: graph.FieldString, Default: nats.DefaultURL, Check: checkNATSURL, Doc: "addresses of one cluster's servers, with commas: nats://host:4222 or tls://host:4222"},
	{Name: "credentials", Type: graph.FieldPath, Doc: "a .creds file; left out: none"},
	{Name: "nkey", Type: graph.FieldPath, Doc: "a file with the seed of an nkey; left out: none"},
	{Name: "user", Type: graph.FieldString, Doc: "a user, who has a passwordFile; left out: none"},
	{Name: "passwordFile", Type: graph.FieldPath, Doc: "a file with the password of user; left out: none"},
	{Name: "tokenFile", Type: graph.FieldPath, Doc: "a file with a token; left out: none"},
	{Name: "tlsCA", Type: graph.FieldPath, Doc: "a file with the certificates that the server's is checked against; left out: the system's"},
	{Name: "tlsCert", Type: graph.FieldPath, Doc: "a file with a client's certificate; left out: none"},
	{Name: "tlsKey", Type: graph.FieldPath, Doc: "a file with the key of tlsCert; left out: none"},
	{Name: "domain", Type: graph.FieldString, Doc: "a JetStream domain; left out: the server's own"},
}

func checkNATSURL(value json.RawMessage) error {
	var list string
	if err := json.Unmarshal(value, &list); err != nil {
		return errors.New("must be addresses")
	}
	for address := range strings.SplitSeq(list, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		switch {
		case strings.Contains(address, "@"):
			return errors.New("holds a user, password or token: they belong into files, see credentials, passwordFile and tokenFile")
		case err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			return errors.New("must be like nats://host:4222")
		}
	}
	return nil
}

const (
	natsPatience = 5 * time.Second        // for a server to take a connection or to answer
	natsRetry    = 200 * time.Millisecond // between two tries to reach it again
)

// connect reaches a server. The connection comes back by itself when it was lost.
func (s natsSettings) connect(name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	options, err := s.options()
	if err != nil {
		return nil, err
	}
	options = append(options, nats.Name("wasmill "+name), nats.Timeout(natsPatience), nats.MaxReconnects(-1), nats.ReconnectWait(natsRetry),
		nats.PingInterval(natsPatience), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to NATS is lost", "url", s.URL, "err", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("NATS", "url", s.URL, "err", err)
		}))
	nc, err := nats.Connect(s.URL, append(options, more...)...)
	if err != nil {
		return nil, s.unreachable(err)
	}
	return nc, nil
}

func (s natsSettings) options() (options []nats.Option, err error) {
	if s.Credentials != "" {
		options = append(options, nats.UserCredentials(s.Credentials))
	}
	if s.NKey != "" {
		option, err := nats.NkeyOptionFromSeed(s.NKey)
		if err != nil {
			return nil, placed(s.NKey, "it holds the seed, which begins with SU", fmt.Errorf("read nkey: %w", cause(err)))
		}
		options = append(options, option)
	}
	if s.User != "" || s.PasswordFile != "" {
		password, err := secretIn(s.PasswordFile)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.UserInfo(s.User, password))
	}
	if s.TokenFile != "" {
		token, err := secretIn(s.TokenFile)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Token(token))
	}
	if s.TLSCA != "" {
		options = append(options, nats.RootCAs(s.TLSCA))
	}
	if s.TLSCert != "" || s.TLSKey != "" {
		options = append(options, nats.ClientCert(s.TLSCert, s.TLSKey))
	}
	return options, nil
}

func secretIn(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", placed(path, "it is read where the operator runs", fmt.Errorf("read secret: %w", cause(err)))
	}
	return strings.TrimSpace(string(text)), nil
}

func (s natsSettings) unreachable(err error) error {
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return placed(s.URL, "check credentials, nkey, user and passwordFile, or tokenFile", fmt.Errorf("connect to NATS: %w", err))
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return placed(s.URL, "the files of with are read where the operator runs", fmt.Errorf("connect to NATS: %w", err))
	}
	return placed(s.URL, "is the server there?", fault.As(fault.ErrTransient, fmt.Errorf("connect to NATS: %w", err)))
}

func (s natsSettings) jetStream(nc *nats.Conn, more ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	more = append(more, jetstream.WithDefaultTimeout(natsPatience))
	if s.Domain != "" {
		return jetstream.NewWithDomain(nc, s.Domain, more...)
	}
	return jetstream.New(nc, more...)
}

// streamFailed says what failed at a stream, and what class of failure it is.
func streamFailed(stream, what string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return placed("stream "+stream, "make it first: nats stream add "+stream, fmt.Errorf("%s: there is no such stream", what))
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		hint = "start the server with JetStream: nats-server -js"
	case errors.Is(err, nats.ErrPermissionViolation):
		hint = "the user needs more permissions: see docs/connectors.md"
	case passing(err):
		err = fault.As(fault.ErrTransient, err)
	}
	return placed("stream "+stream, hint, fmt.Errorf("%s: %w", what, err))
}

// passing tells errors that may go away by themselves.
func passing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code >= 500 || api.Code == 429
	}
	for _, e := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrConnectionClosed, nats.ErrReconnectBufExceeded, nats.ErrNoServers, nats.ErrConnectionReconnecting,
		jetstream.ErrNoStreamResponse, jetstream.ErrTooManyStalledMsgs, jetstream.ErrAsyncPublishTimeout, jetstream.ErrNoHeartbeat, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
