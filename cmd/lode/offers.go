package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node/api/apiv1"
)

func offersCommand() *cli.Command {
	return &cli.Command{
		Name:  "offers",
		Usage: "what is for sale now, cheapest first",
		Flags: append(needFlags(),
			&cli.DurationFlag{Name: "wait", Usage: "how long to listen for offers when there are none yet", Value: 3 * time.Second},
			&cli.BoolFlag{Name: "all", Usage: "also what does not fit, with the reason"},
			jsonFlag()),
		Action: func(c *cli.Context) error {
			return withNode(c, func(ctx context.Context, s *session) error {
				req, err := offersRequest(c, s)
				if err != nil {
					return err
				}
				res, err := s.ListOffers(ctx, connect.NewRequest(req))
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, res.Msg)
				}
				printOffers(c, s, res.Msg.GetFits(), false)
				if len(res.Msg.GetFits()) == 0 {
					fmt.Fprintf(c.App.Writer, "no offer fits; %d others are known%s\n", len(res.Msg.GetOthers()), map[bool]string{true: "", false: " (--all shows them)"}[c.Bool("all")])
				}
				if c.Bool("all") && len(res.Msg.GetOthers()) > 0 {
					printOffers(c, s, res.Msg.GetOthers(), true)
				}
				return nil
			})
		},
	}
}

// needFlags say what is asked of a machine.
func needFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cpu", Usage: "cores, such as 0.5 or 4"},
		&cli.StringFlag{Name: "memory", Usage: "such as 512MiB or 16GB"},
		&cli.StringFlag{Name: "disk", Usage: "for inputs, outputs and scratch together, such as 1GB"},
		&cli.StringFlag{Name: "max-price", Usage: "the most to pay per hour, such as 0.60/h"},
		&cli.DurationFlag{Name: "max-duration", Usage: "the longest that the job may run", Value: time.Hour},
	}
}

func offersRequest(c *cli.Context, s *session) (*apiv1.ListOffersRequest, error) {
	res := &apiv1.Resources{}
	if err := resourcesFromFlags(c, res); err != nil {
		return nil, err
	}
	req := &apiv1.ListOffersRequest{Resources: res, WaitMs: c.Duration("wait").Milliseconds()}
	if c.IsSet("max-duration") {
		req.MaxDurationMs = c.Duration("max-duration").Milliseconds()
	}
	if p := c.String("max-price"); p != "" {
		a, err := parsePrice("--max-price", p, s.status.GetDecimals())
		if err != nil {
			return nil, err
		}
		req.MaxPrice = a.String()
	}
	return req, nil
}

func printOffers(c *cli.Context, s *session, offers []*apiv1.Offer, misfits bool) {
	if len(offers) == 0 {
		return
	}
	columns := []any{"PROVIDER", "PRICE", "CLASS", "CPU", "MEMORY", "DISK", "DRIVERS", "HISTORY", ""}
	if misfits {
		columns[len(columns)-1] = "DOES NOT FIT"
	}
	t := newTable(c.App.Writer, columns...)
	for _, o := range offers {
		var notes []string
		if o.GetSimulated() {
			notes = append(notes, "simulated GPU")
		}
		for _, m := range o.GetMisfit() {
			notes = append(notes, fmt.Sprintf("%s is %s, wanted %s", m.GetConstraint(), m.GetActual(), m.GetRequired()))
		}
		history := "new"
		if n := o.GetDone() + o.GetFailed(); n > 0 {
			history = fmt.Sprintf("%d of %d done", o.GetDone(), n)
		}
		class := o.GetClass()
		if r := o.GetResources(); r.GetGpus() > 0 {
			class = fmt.Sprintf("%d x %s %s", r.GetGpus(), r.GetGpuModel(), bytesText(r.GetVram()))
		}
		t.AppendRow(table.Row{
			o.GetPayee(), money(o.GetPrice(), s.status.GetDecimals()) + " " + s.status.GetSymbol() + "/h", class,
			fmt.Sprintf("%g", float64(o.GetResources().GetCpuMillis())/1000), bytesText(o.GetResources().GetMemory()), bytesText(o.GetResources().GetDisk()),
			strings.Join(o.GetDrivers(), ","), history, strings.Join(notes, "; "),
		})
	}
	t.Render()
}
