package contracts_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeTellsTheGas holds the README's table to the snapshots that forge compares with each run.
func TestReadmeTellsTheGas(t *testing.T) {
	text, err := os.ReadFile("snapshots/Channels.json")
	if err != nil {
		t.Fatal(err)
	}
	var snapshots map[string]string
	if err := json.Unmarshal(text, &snapshots); err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (.+?) \| ([0-9,]+) \|`).FindAllStringSubmatch(string(readme), -1)
	if len(rows) == 0 {
		t.Fatal("no table of gas in README.md")
	}
	for _, row := range rows {
		if want, have := snapshots[row[1]], strings.ReplaceAll(row[2], ",", ""); have != want {
			t.Errorf("README.md says %q takes %s gas, the snapshot %q", row[1], have, want)
		}
	}
}
