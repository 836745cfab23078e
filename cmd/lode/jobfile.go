package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
	"github.com/xrash/smetrics"

	"github.com/lode-market/lode/node/api/apiv1"
	lode "github.com/lode-market/lode/proto"
)

// jobFile is a job as a person writes it down. Paths are relative to the file.
type jobFile struct {
	Name  scalar `yaml:"name"`
	Wasm  scalar `yaml:"wasm"`
	Image scalar `yaml:"image"`
	// Run is a line for the image's shell, Args the arguments of the module or
	// the command of the image.
	Run           scalar            `yaml:"run"`
	Args          []scalar          `yaml:"args"`
	Env           map[string]scalar `yaml:"env"`
	Inputs        map[string]scalar `yaml:"inputs"`
	Outputs       scalar            `yaml:"outputs"`
	Resources     jobFileResources  `yaml:"resources"`
	Network       scalar            `yaml:"network"`
	MaxPrice      scalar            `yaml:"max_price"`
	Budget        scalar            `yaml:"budget"`
	MaxDuration   scalar            `yaml:"max_duration"`
	Provider      scalar            `yaml:"provider"`
	Deterministic scalar            `yaml:"deterministic"`
	Seed          scalar            `yaml:"seed"`

	// What a later version does. A job that needs it must not run without.
	Setup   later `yaml:"setup"`
	Secrets later `yaml:"secrets"`
	Ports   later `yaml:"ports"`
	Retries later `yaml:"retries"`
	Public  later `yaml:"public"`
}

type jobFileResources struct {
	CPU    scalar `yaml:"cpu"`
	Memory scalar `yaml:"memory"`
	Disk   scalar `yaml:"disk"`
	Shm    scalar `yaml:"shm"`
	GPU    later  `yaml:"gpu"`
}

// scalar is a value with its place, so that what is wrong with it can be shown.
type scalar struct {
	text string
	at   *token.Position
}

func (s *scalar) UnmarshalYAML(n ast.Node) error {
	s.at = n.GetToken().Position
	switch n := n.(type) {
	case *ast.StringNode:
		s.text = n.Value
	case *ast.LiteralNode:
		s.text = n.Value.Value
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		return misplaced{s.at, fmt.Sprintf("%s where a single value is required", strings.ToLower(n.Type().String()))}
	default:
		s.text = n.GetToken().Value
	}
	return nil
}

// later is a field that this version knows and does not do.
type later struct{}

func (later) UnmarshalYAML(n ast.Node) error {
	return misplaced{n.GetToken().Position, fmt.Sprintf("%s is not done by this version; required: a job without it",
		strings.TrimPrefix(n.GetPath(), "$."))}
}

// misplaced is an error at a place in the job file.
type misplaced struct {
	at   *token.Position
	what string
}

func (e misplaced) Error() string { return fmt.Sprintf("%d:%d: %s", e.at.Line, e.at.Column, e.what) }

// readJobFile reads a job file into a request. Errors name file, line and column.
func readJobFile(path string, decimals uint32) (*apiv1.SubmitJobRequest, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	req, err := parseJobFile(b, filepath.Dir(path), decimals)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return req, nil
}

// parseJobFile is readJobFile without the reading; dir is what paths are relative to.
func parseJobFile(b []byte, dir string, decimals uint32) (*apiv1.SubmitJobRequest, error) {
	if len(b) > lode.MaxJob {
		return nil, misplaced{&token.Position{Line: 1, Column: 1}, fmt.Sprintf("%d bytes; required: at most %d", len(b), lode.MaxJob)}
	}
	var f jobFile
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.DisallowUnknownField()); err != nil {
		return nil, yamlError(err)
	}
	return f.request(dir, decimals)
}

// yamlError puts an error of the library into one line, with a suggestion for a
// field that it does not know.
func yamlError(err error) error {
	var place misplaced
	if errors.As(err, &place) {
		return place
	}
	var positioned yaml.Error
	if !errors.As(err, &positioned) || positioned.GetToken() == nil {
		return fmt.Errorf(" %w", err)
	}
	what := positioned.GetMessage()
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		name := unknown.Token.Value
		what = fmt.Sprintf("unknown field %q", name)
		if near := nearestField(name); near != "" {
			what += fmt.Sprintf("; did you mean %q?", near)
		} else {
			what += "; required: one of " + strings.Join(fieldNames(reflect.TypeFor[jobFile]()), ", ")
		}
	}
	return misplaced{positioned.GetToken().Position, what}
}

// nearestField returns the field that a person most likely meant, or nothing.
func nearestField(name string) string {
	fields := slices.Concat(fieldNames(reflect.TypeFor[jobFile]()), fieldNames(reflect.TypeFor[jobFileResources]()))
	distance := func(field string) int { return smetrics.WagnerFischer(strings.ToLower(name), field, 1, 1, 1) }
	near := slices.MinFunc(fields, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(near) > max(1, len(name)/3) {
		return ""
	}
	return near
}

func fieldNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("yaml"))
	}
	return names
}

// request turns the file into what the node takes.
func (f jobFile) request(dir string, decimals uint32) (*apiv1.SubmitJobRequest, error) {
	var errs []error
	fail := func(at *token.Position, field string, err error) {
		errs = append(errs, misplaced{at, fmt.Sprintf("%s: %v", field, err)})
	}
	// parse hands a value that is there to read, and notes what is wrong with it.
	parse := func(field string, s scalar, read func(string) error) {
		if s.at != nil {
			if err := read(s.text); err != nil {
				fail(s.at, field, err)
			}
		}
	}
	abs := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	req := &apiv1.SubmitJobRequest{
		Name: f.Name.text, Image: f.Image.text, Outputs: f.Outputs.text, Provider: f.Provider.text,
		Resources: &apiv1.Resources{}, Env: map[string]string{},
	}
	if f.Wasm.at != nil {
		req.Wasm = abs(f.Wasm.text)
	}
	for _, a := range f.Args {
		req.Args = append(req.Args, a.text)
	}
	parse("run", f.Run, func(line string) error {
		switch {
		case f.Image.at == nil:
			return errors.New("a shell line needs an image; required: args, for a module")
		case len(f.Args) > 0:
			return errors.New("args are given too; required: one of run and args")
		}
		req.Args = []string{"/bin/sh", "-c", line}
		return nil
	})
	for name, value := range f.Env {
		req.Env[name] = value.text
	}
	for _, path := range slices.Sorted(maps.Keys(f.Inputs)) {
		source := f.Inputs[path].text
		if !strings.HasPrefix(source, "ipfs://") {
			source = abs(source)
		}
		req.Inputs = append(req.Inputs, &apiv1.Input{Path: path, Source: source})
	}
	parse("network", f.Network, func(mode string) error {
		if mode != "none" {
			return fmt.Errorf("%q; required: none, this version runs jobs without a network", mode)
		}
		return nil
	})
	parse("max_price", f.MaxPrice, func(s string) error { return setMoney(&req.MaxPrice, strings.TrimSuffix(s, "/h"), decimals) })
	parse("budget", f.Budget, func(s string) error { return setMoney(&req.Budget, s, decimals) })
	parse("max_duration", f.MaxDuration, func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q; required: a duration such as 90m or 6h", s)
		}
		req.MaxDurationMs = d.Milliseconds()
		return nil
	})
	parse("deterministic", f.Deterministic, func(s string) error {
		if s != "true" && s != "false" {
			return fmt.Errorf("%q; required: true or false", s)
		}
		req.Deterministic = s == "true"
		return nil
	})
	parse("seed", f.Seed, func(s string) (err error) {
		if req.Seed, err = strconv.ParseInt(s, 10, 64); err != nil {
			return fmt.Errorf("%q; required: a whole number", s)
		}
		return nil
	})
	parse("resources.cpu", f.Resources.CPU, func(s string) (err error) { req.Resources.CpuMillis, err = parseCPU(s); return err })
	for field, size := range map[string]struct {
		from scalar
		to   *uint64
	}{
		"memory": {f.Resources.Memory, &req.Resources.Memory},
		"disk":   {f.Resources.Disk, &req.Resources.Disk},
		"shm":    {f.Resources.Shm, &req.Resources.Shm},
	} {
		parse("resources."+field, size.from, func(s string) (err error) { *size.to, err = parseSize(s); return err })
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.(misplaced).at.Offset, b.(misplaced).at.Offset) })
	return req, errors.Join(errs...)
}

func setMoney(to *string, s string, decimals uint32) error {
	a, err := parseMoney("", s, decimals)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), " is "))
	}
	*to = a.String()
	return nil
}
