package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node"
	lode "github.com/lode-market/lode/proto"
)

// root is where the documents stand, seen from this folder.
const root = "../.."

// The documents. What they say of commands, paths and figures is held to the
// code; a changelog tells of the past and is held to its links only.
var (
	documents = []string{"README.md", "ARCHITECTURE.md", "SECURITY.md", "contracts/README.md"}
	linked    = append(slices.Clone(documents), "CHANGELOG.md")
)

func document(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")
	span  = regexp.MustCompile("`([^`]+)`")
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// bareFlag is a flag that is spoken of without its command.
	bareFlag = regexp.MustCompile(`^--[a-z][a-z-]*$`)
	title    = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// fenced returns the blocks between fences in one language, or in all.
func fenced(text, language string) (blocks []string) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if language == "" || m[1] == language {
			blocks = append(blocks, m[2])
		}
	}
	return blocks
}

// quoted returns what a document sets in code: spans as they are, blocks line by
// line without what a shell would take for a comment.
func quoted(text string) (code []string) {
	for _, b := range fenced(text, "") {
		code = append(code, strings.Split(b, "\n")...)
	}
	text = fence.ReplaceAllString(text, "")
	var prose []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") {
			code = append(code, line)
		} else {
			prose = append(prose, line)
		}
	}
	for i, line := range code {
		line, _, _ = strings.Cut(line, " #")
		code[i] = strings.TrimSpace(line)
	}
	for _, m := range span.FindAllStringSubmatch(strings.Join(prose, ""), -1) {
		code = append(code, strings.Join(strings.Fields(m[1]), " "))
	}
	return code
}

// anchor is what a heading is called in a link.
func anchor(heading string) string {
	kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(kept, " ", "-")
}

// A link that leads nowhere is a promise about a file that is not there.
func TestDocsLinks(t *testing.T) {
	for _, name := range linked {
		for _, m := range link.FindAllStringSubmatch(document(t, name), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, section, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
				continue
			}
			if section != "" && !slices.ContainsFunc(title.FindAllStringSubmatch(document(t, target), -1), func(h []string) bool { return anchor(h[1]) == section }) {
				t.Errorf("%s links to %s, which has no such section", name, m[1])
			}
		}
	}
}

// Every command that a reader may type is one that this program knows, with the
// flags that it knows.
func TestDocsCommands(t *testing.T) {
	app := newApp()
	seen := 0
	for _, name := range documents {
		for _, code := range quoted(document(t, name)) {
			words := strings.Fields(code)
			switch {
			case len(words) > 0 && words[0] == "lode":
				seen++
				if err := knows(app.Flags, app.Commands, words[1:]); err != nil {
					t.Errorf("%s says %q: %v", name, code, err)
				}
			case len(words) > 0 && bareFlag.MatchString(words[0]) && !anywhere(app.Flags, app.Commands, words[0]):
				t.Errorf("%s says %q: no command has this flag", name, code)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d commands were found in the documents: is the test looking at them?", seen)
	}
}

// knows walks down the commands as urfave/cli does once flagsFirst has been over
// the line: flags may stand anywhere before `--`.
func knows(flags []cli.Flag, commands []*cli.Command, words []string) error {
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case word == "--":
			return nil
		case strings.HasPrefix(word, "-"):
			name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
			if !has(flags, name) {
				return fmt.Errorf("no flag %s here", word)
			}
			if takesValue(flags, word) {
				i++
			}
		case len(commands) == 0:
			// An argument.
		default:
			c := find(commands, word)
			if c == nil {
				return fmt.Errorf("no command %q here", word)
			}
			return knows(c.Flags, c.Subcommands, words[i+1:])
		}
	}
	return nil
}

func has(flags []cli.Flag, name string) bool {
	return name == "help" || name == "h" || slices.ContainsFunc(flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

func anywhere(flags []cli.Flag, commands []*cli.Command, flag string) bool {
	return has(flags, strings.TrimLeft(flag, "-")) ||
		slices.ContainsFunc(commands, func(c *cli.Command) bool { return anywhere(c.Flags, c.Subcommands, flag) })
}

func TestDocsMakeTargets(t *testing.T) {
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(document(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	for _, name := range documents {
		for _, code := range quoted(document(t, name)) {
			if words := strings.Fields(code); len(words) > 1 && words[0] == "make" && !targets[words[1]] {
				t.Errorf("%s says %q: the Makefile has no such target", name, code)
			}
		}
	}
}

// Paths of the tree that are named exist, and each room of the house is named in
// its plan.
func TestDocsPaths(t *testing.T) {
	path := regexp.MustCompile(`^(?:cmd|node|market|proto|contracts|testnet)(?:/[\w.-]+)*/?$`)
	named := map[string]bool{}
	for _, name := range documents {
		for _, code := range quoted(document(t, name)) {
			words := strings.Fields(code)
			if len(words) == 0 || !path.MatchString(words[0]) || !strings.Contains(words[0], "/") {
				continue
			}
			if name == "ARCHITECTURE.md" {
				named[strings.TrimSuffix(words[0], "/")] = true
			}
			if _, err := os.Stat(filepath.Join(root, words[0])); err != nil {
				t.Errorf("%s names %s: %v", name, words[0], err)
			}
		}
	}
	for _, p := range packages(t) {
		if r := room(p.ImportPath); !named[r] && r != "cmd" {
			t.Errorf("ARCHITECTURE.md does not name %s, where %s is", r, p.ImportPath)
		}
	}
}

// The job file in README is one: it parses, and says what its comments say.
func TestDocsJobFile(t *testing.T) {
	blocks := fenced(document(t, "README.md"), "yaml")
	if len(blocks) != 1 {
		t.Fatalf("README.md has %d job files; required: one", len(blocks))
	}
	req, err := parseJobFile([]byte(blocks[0]), "/home", 6)
	if err != nil {
		t.Fatal(err)
	}
	if req.GetWasm() == "" || len(req.GetArgs()) != 4 || len(req.GetInputs()) != 1 || req.GetBudget() != "500000" || !req.GetDeterministic() {
		t.Errorf("README.md's job file came out as %v", req)
	}
}

// The column Lode of README's table is what forge compares with each run.
func TestDocsGas(t *testing.T) {
	var snapshots map[string]string
	if err := json.Unmarshal([]byte(document(t, "contracts/snapshots/Channels.json")), &snapshots); err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (.+?) \| ([0-9,]+) \|`).FindAllStringSubmatch(document(t, "README.md"), -1)
	if len(rows) < 6 {
		t.Fatalf("README.md's table of gas has %d rows; required: 6 or more", len(rows))
	}
	for _, row := range rows {
		if want, have := snapshots[row[1]], strings.ReplaceAll(row[2], ",", ""); have != want {
			t.Errorf("README.md says %q takes %s gas, the snapshot %q", row[1], have, want)
		}
	}
}

// SECURITY.md's figures are those that the program starts with.
func TestDocsFigures(t *testing.T) {
	d := node.DefaultProvide
	figures := map[string]string{
		"slice, rent paid ahead":                       d.Slice.String(),
		"grace, standing still in all":                 d.Grace.String(),
		"longest lease that a provider sells":          d.MaxDuration.String(),
		"results are kept":                             d.Retention.String(),
		"close delay that a provider wants":            ms(int64(d.MinCloseDelay) * 1000).String(),
		"close delay, least and most, by the contract": lode.MinCloseDelay.String() + " to " + lode.MaxCloseDelay.String(),
		"a quoted price is good for":                   lode.QuoteLife.String(),
		"preparing a job":                              d.PrepareTime.String(),
		"fetched for one image":                        bytesText(uint64(d.MaxImage)),
		"fetched as inputs of one job":                 bytesText(uint64(d.MaxInputs)),
		"a gossiped offer":                             fmt.Sprintf("%d bytes", lode.MaxOffer),
		"an offer is good for":                         lode.MaxOfferLife.String(),
		"a job's document":                             fmt.Sprintf("%d bytes", lode.MaxJob),
	}
	_, text, _ := strings.Cut(document(t, "SECURITY.md"), "\n## Figures\n")
	text, _, _ = strings.Cut(text, "\n## ")
	rows := regexp.MustCompile(`(?m)^\| (.+?) \| (.+?) \|$`).FindAllStringSubmatch(text, -1)
	for _, row := range rows {
		if row[1] == "limit" || row[1] == "---" {
			continue
		}
		if want, ok := figures[row[1]]; !ok || row[2] != want {
			t.Errorf("SECURITY.md says %q is %s; the program says %q", row[1], row[2], want)
		}
		delete(figures, row[1])
	}
	for name := range figures {
		t.Errorf("SECURITY.md's figures lack %q", name)
	}
}

// README tells the exit codes as `lode --help` does.
func TestDocsExitCodes(t *testing.T) {
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if help := flat(newApp().Description); !strings.Contains(flat(document(t, "README.md")), help) {
		t.Errorf("README.md does not say what the help says: %s", help)
	}
}
