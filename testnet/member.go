package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
)

// Member is a node of the devnet: a process with a home of its own.
type Member struct {
	Name string
	// Root is the member's LODE_HOME, Home the folder of the network in it.
	Root, Home string
	// Account is where its money is.
	Account common.Address

	program string
	network string // network file, where the home does not hold it yet
	log     string
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{}
	err     error // how the process ended, once ended is closed
}

func newMember(cfg Config, n node.Network, name string) (*Member, error) {
	root := filepath.Join(cfg.Dir, name)
	m := &Member{Name: name, Root: root, Home: filepath.Join(root, n.Name), program: cfg.Program, log: filepath.Join(cfg.Dir, name+".log")}
	if err := os.MkdirAll(m.Home, 0o700); err != nil {
		return nil, err
	}
	account, err := node.MakeDevnetKeys(m.Home)
	if err != nil {
		return nil, err
	}
	m.Account = account
	return m, nil
}

// start runs lode with args on the member's home.
func (m *Member) start(args ...string) error {
	m.args = args
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own descriptor
	cmd := exec.Command(m.program, append([]string{"--home", m.Root, "--log", "info"}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "LODE_NETWORK="+m.network) // empty: its home has the only one
	// A devnet that is killed takes its nodes along, and Ctrl-C reaches us alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// The kernel ties the signal at our death to the thread that started the
		// process: it has to live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			m.err = cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", m.Name, err)
	}
	m.cmd, m.ended = cmd, ended
	return nil
}

// Client talks to the member's node.
func (m *Member) Client() apiv1connect.NodeServiceClient { return api.Dial(m.Home) }

// readyWithin bounds a node's start. It is generous: a start takes well under a
// second on a machine that does nothing else.
const readyWithin = time.Minute

// Ready waits until the node answers, and provides if it is to.
func (m *Member) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := m.Client()
	for {
		_, err := client.Status(ctx, connect.NewRequest(&apiv1.StatusRequest{}))
		if err == nil {
			return nil
		}
		select {
		case <-m.ended:
			return fmt.Errorf("%s ended (%v); its log is %s", m.Name, m.err, m.log)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer (%w); its log is %s", m.Name, err, m.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Addrs returns the multiaddrs at which the node is reached, its id included.
func (m *Member) Addrs(ctx context.Context) ([]string, error) {
	res, err := m.Client().Status(ctx, connect.NewRequest(&apiv1.StatusRequest{}))
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, a := range res.Msg.GetAddrs() {
		addrs = append(addrs, a+"/p2p/"+res.Msg.GetPeerId())
	}
	return addrs, nil
}

// PID is the process, for tests that end it in their own way.
func (m *Member) PID() int { return m.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (m *Member) Ended() <-chan struct{} { return m.ended }

// Stop ends the node in order, and by force when it does not.
func (m *Member) Stop() error {
	if m.cmd == nil {
		return nil
	}
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-m.ended:
	case <-time.After(25 * time.Second):
		if err := m.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-m.ended
		return fmt.Errorf("%s did not end within 25 s and was killed; its log is %s", m.Name, m.log)
	}
	m.cmd = nil
	return nil
}
