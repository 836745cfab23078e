package run

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// The tables of a module lie on the worker's own heap, beside the memory that it
// is granted, and wazero bounds them by nothing but the module's word, which most
// compilers do not give. So the word is put in for them: a module that grows a
// table without end is told -1, as it is for its memory.
//
// What is read here is section 4 of the binary format:
//
//	section  id:byte size:u32 content
//	content  count:u32 table*
//	table    type:byte flags:byte min:u32 (max:u32 where flags is 1)

const (
	sectionTable = 4
	typeFuncref  = 0x70
	typeExtern   = 0x6f
)

// moduleHead is the magic number and the version before the first section.
const moduleHead = 8

// boundTables gives each table of a module a maximum of at most maxTableEntries.
// A module that is no module is left to the compiler to refuse: whatever that
// reads in another way than this, it refuses for its sections' sizes.
func boundTables(body []byte) ([]byte, error) {
	for at := min(moduleHead, len(body)); at < len(body); {
		id := body[at]
		size, content, err := readU32(body, at+1)
		if err != nil || int(size) > len(body)-content {
			return nil, fmt.Errorf("%w: section %d is longer than the module", ErrNotWasm, id)
		}
		end := content + int(size)
		if id == sectionTable {
			bounded, err := boundSection(body[content:end])
			if err != nil {
				return nil, err
			}
			bounded = append(binary.AppendUvarint([]byte{sectionTable}, uint64(len(bounded))), bounded...)
			body = slices.Concat(body[:at], bounded, body[end:])
			end = at + len(bounded)
		}
		at = end
	}
	return body, nil
}

// boundSection rewrites the content of a table section.
func boundSection(content []byte) ([]byte, error) {
	count, at, err := readU32(content, 0)
	if err != nil {
		return nil, err
	}
	if count > maxTables {
		return nil, fmt.Errorf("%w: it has %d tables, at most %d", ErrNotWasm, count, maxTables)
	}
	bounded := binary.AppendUvarint(nil, uint64(count))
	for range count {
		if len(content)-at < 2 {
			return nil, errTable
		}
		kind, flags := content[at], content[at+1]
		if kind != typeFuncref && kind != typeExtern || flags > 1 {
			return nil, fmt.Errorf("%w: a table of type %#x with limits %#x, required 0x70 or 0x6f with 0 or 1", ErrNotWasm, kind, flags)
		}
		var least uint32
		if least, at, err = readU32(content, at+2); err != nil {
			return nil, err
		}
		most := uint32(math.MaxUint32)
		if flags == 1 {
			if most, at, err = readU32(content, at); err != nil {
				return nil, err
			}
		}
		if least > maxTableEntries {
			return nil, fmt.Errorf("%w: a table starts with %d entries, at most %d", ErrNotWasm, least, maxTableEntries)
		}
		bounded = append(bounded, kind, 1)
		bounded = binary.AppendUvarint(bounded, uint64(least))
		bounded = binary.AppendUvarint(bounded, uint64(min(most, maxTableEntries)))
	}
	if at != len(content) {
		return nil, errTable
	}
	return bounded, nil
}

// errTable is returned for a table section that contradicts itself.
var errTable = fmt.Errorf("%w: malformed table section", ErrNotWasm)

// readU32 reads a number in LEB128 at an index and gives the index behind it.
func readU32(body []byte, at int) (value uint32, next int, err error) {
	number, size := binary.Uvarint(body[at:min(at+binary.MaxVarintLen32, len(body))])
	if size <= 0 || number > math.MaxUint32 {
		return 0, 0, fmt.Errorf("%w: malformed number at byte %d", ErrNotWasm, at)
	}
	return uint32(number), at + size, nil
}
