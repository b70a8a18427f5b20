package binary

// The subsections of a name section that are maps from an index to a name.
const (
	functionNames = 1
	dataNames     = 9
)

// FunctionNames reads the content of a name section: names of functions by index. It
// is for messages, so what is wrong with the section ends it silently.
func FunctionNames(section []byte) map[uint32]string { return namesOf(section, functionNames) }

// DataNames reads the content of a name section: names of data segments by index. It is
// for messages, as FunctionNames.
func DataNames(section []byte) map[uint32]string { return namesOf(section, dataNames) }

func namesOf(section []byte, subsection byte) map[uint32]string {
	names := map[uint32]string{}
	r := reader{b: section}
	for r.more() {
		id := r.byte()
		s := reader{b: r.take(r.u32())}
		if id != subsection || r.err != nil {
			continue
		}
		for n := s.count("names", maxFunctions); n > 0 && s.err == nil; n-- {
			index, name := s.u32(), s.name()
			if s.err == nil {
				names[index] = name
			}
		}
	}
	return names
}
