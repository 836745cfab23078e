package data

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkName refuses a name that could leave its directory, hide in a terminal
// or mean something else on another system. It holds for both directions, so
// that what was added can always be exported.
func checkName(name string) error {
	var why string
	switch {
	case name == "":
		why = "is empty"
	case name == "." || name == "..":
		why = "leads out of its directory"
	case len(name) > maxName:
		why = fmt.Sprintf("has %d bytes, the limit is %d", len(name), maxName)
	case !utf8.ValidString(name):
		why = "is not UTF-8"
	case strings.ContainsAny(name, `/\`):
		why = "contains a separator"
	case strings.ContainsFunc(name, unicode.IsControl):
		why = "contains a control character"
	default:
		return nil
	}
	if len(name) > maxName { // quoted below, so keep it short
		name = strings.ToValidUTF8(name[:maxName], "?") + "..."
	}
	return fmt.Errorf("%w: %q %s", ErrName, name, why)
}
