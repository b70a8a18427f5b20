package host

import (
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// signature is a function type: parameters and results, a letter each: i and I are i32
// and i64, f and F are f32 and f64.
type signature struct{ params, results string }

func (s signature) String() string { return typeList(s.params) + " → " + typeList(s.results) }

func typeList(letters string) string {
	names := make([]string, len(letters))
	for n, letter := range letters {
		switch letter {
		case 'i':
			names[n] = "i32"
		case 'I':
			names[n] = "i64"
		case 'f':
			names[n] = "f32"
		case 'F':
			names[n] = "f64"
		case 'v':
			names[n] = "v128"
		default:
			names[n] = "reference"
		}
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// letters of wasm's binary value types.
func letters(types []byte) string {
	s := make([]byte, len(types))
	for n, t := range types {
		switch t {
		case api.ValueTypeI32:
			s[n] = 'i'
		case api.ValueTypeI64:
			s[n] = 'I'
		case api.ValueTypeF32:
			s[n] = 'f'
		case api.ValueTypeF64:
			s[n] = 'F'
		case 0x7b:
			s[n] = 'v'
		default:
			s[n] = 'r'
		}
	}
	return string(s)
}

// valueTypes is the reverse of letters for the types that host functions use.
func valueTypes(letters string) []api.ValueType {
	types := make([]api.ValueType, len(letters))
	for n, letter := range letters {
		switch letter {
		case 'i':
			types[n] = api.ValueTypeI32
		case 'I':
			types[n] = api.ValueTypeI64
		case 'f':
			types[n] = api.ValueTypeF32
		case 'F':
			types[n] = api.ValueTypeF64
		}
	}
	return types
}
