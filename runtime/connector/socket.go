package connector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/wasmill/wasmill/runtime/fault"
	"github.com/wasmill/wasmill/runtime/graph"
	"github.com/wasmill/wasmill/runtime/operator"
)

func openSocket(ctx context.Context, op *graph.Operator, c Context) (operator.Source, error) {
	var with struct {
		Address string `json:"address"`
		MaxLine int    `json:"maxLine"`
	}
	if err := settings(op, &with); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", with.Address)
	if err != nil {
		return nil, placed(with.Address, "start what sends the lines first, such as: nc -lk 9999", fault.As(fault.ErrTransient, fmt.Errorf("connect socket: %w", syscallCause(err))))
	}
	return newStreamSource(with.Address, input{Reader: conn, interrupt: conn.Close}, with.MaxLine, op.Format, c)
}

// syscallCause is an error without the addresses, of which the place names the one
// that matters.
func syscallCause(err error) error {
	if sysErr := (*os.SyscallError)(nil); errors.As(err, &sysErr) {
		return sysErr.Err
	}
	if opErr := (*net.OpError)(nil); errors.As(err, &opErr) {
		return opErr.Err
	}
	return cause(err)
}

func validAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("must be host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("port must be 1 to 65535")
	}
	return nil
}
