package proto

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// reader turns fields of a message into checked values and remembers the first
// that is wrong, so that a conversion reads as a list.
type reader struct{ err error }

func (r *reader) fail(field string, actual, required any) {
	if r.err == nil {
		r.err = Refuse(CodeMalformed, fmt.Sprintf("%s is %v", field, actual), fmt.Sprint(required), "")
	}
}

func (r *reader) fixed(field string, b []byte, n int) []byte {
	if len(b) != n {
		r.fail(field, fmt.Sprintf("%d bytes", len(b)), fmt.Sprintf("%d bytes", n))
		return make([]byte, n)
	}
	return b
}

func (r *reader) hash(field string, b []byte) Hash    { return Hash(r.fixed(field, b, 32)) }
func (r *reader) peer(field string, b []byte) PeerKey { return PeerKey(r.fixed(field, b, 32)) }
func (r *reader) address(field string, b []byte) common.Address {
	return common.Address(r.fixed(field, b, common.AddressLength))
}

// signature also takes an empty one: terms travel with the provider's alone.
func (r *reader) signature(field string, b []byte) Signature {
	if len(b) == 0 {
		return Signature{}
	}
	return Signature(r.fixed(field, b, 65))
}

func (r *reader) amount(field string, b []byte) Amount {
	a, err := AmountFromBytes(b)
	if err != nil {
		r.fail(field, fmt.Sprintf("%d bytes", len(b)), "at most 12 bytes")
	}
	return a
}

func (r *reader) span(field string, ms uint64) time.Duration {
	if ms > uint64(MaxSpan.Milliseconds()) {
		r.fail(field, fmt.Sprintf("%d ms", ms), fmt.Sprintf("at most %d ms", MaxSpan.Milliseconds()))
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

func (r *reader) time(field string, ms uint64) time.Time {
	if ms > math.MaxInt64/uint64(time.Millisecond) { // what UnixNano can carry
		r.fail(field, fmt.Sprintf("%d ms", ms), "a time in this age")
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

func (r *reader) text(field, s string, most int) string {
	if len(s) > most || !utf8.ValidString(s) || Printable(s) != s {
		r.fail(field, fmt.Sprintf("%d bytes", len(s)), fmt.Sprintf("printable text of at most %d bytes", most))
		return ""
	}
	return s
}

func (r *reader) addrs(as [][]byte) [][]byte {
	if len(as) > MaxAddrs {
		r.fail("addrs", len(as), fmt.Sprintf("at most %d", MaxAddrs))
		return nil
	}
	for _, a := range as {
		if len(a) > MaxAddr {
			r.fail("addr", fmt.Sprintf("%d bytes", len(a)), fmt.Sprintf("at most %d", MaxAddr))
		}
	}
	return as
}

func (r *reader) driver(s string) Driver {
	if d := Driver(s); d == DriverWasm || d == DriverDocker {
		return d
	}
	r.fail("driver", fmt.Sprintf("%.20q", s), "wasm or docker")
	return ""
}

func (r *reader) network(n uint32) Network {
	if n > uint32(NetworkInternet) {
		r.fail("network", n, "0, 1 or 2")
		return 0
	}
	return Network(n)
}

func (r *reader) class(s string) Class {
	c := Class(s)
	if !c.Known() {
		r.fail("class", fmt.Sprintf("%.20q", s), Classes)
	}
	return c
}

func (r *reader) resources(m *wirev1.Resources) Resources {
	const most = 1 << 60 // bytes; keeps sums of resources far from overflow
	if m.GetMemory() > most || m.GetDisk() > most || m.GetVram() > most {
		r.fail("resources", "out of range", "at most 1 EiB each")
	}
	return Resources{
		CPUMillis: m.GetCpuMillis(), Memory: m.GetMemory(), Disk: m.GetDisk(),
		GPUs: m.GetGpus(), VRAM: m.GetVram(), GPUModel: r.text("gpu_model", m.GetGpuModel(), 64),
	}
}

// Wire returns r as a message.
func (r Resources) Wire() *wirev1.Resources {
	return &wirev1.Resources{CpuMillis: r.CPUMillis, Memory: r.Memory, Disk: r.Disk, Gpus: r.GPUs, Vram: r.VRAM, GpuModel: r.GPUModel}
}

// Wire returns n as a message.
func (n Needs) Wire() *wirev1.Needs {
	return &wirev1.Needs{
		Driver: string(n.Driver), Resources: n.Resources.Wire(), Network: uint32(n.Network),
		MaxDurationMs: span(n.MaxDuration), Token: n.Token.Bytes(), MaxPrice: n.MaxPrice.Amount().Bytes(),
	}
}

func (r *reader) needs(m *wirev1.Needs) Needs {
	return Needs{
		Driver: r.driver(m.GetDriver()), Resources: r.resources(m.GetResources()), Network: r.network(m.GetNetwork()),
		MaxDuration: r.span("max_duration_ms", m.GetMaxDurationMs()), Token: r.address("token", m.GetToken()),
		MaxPrice: PerHour(r.amount("max_price", m.GetMaxPrice())),
	}
}

// Wire returns k as a message.
func (k ChannelKey) Wire() *wirev1.ChannelKey {
	return &wirev1.ChannelKey{
		Payer: k.Payer.Bytes(), PayerSigner: k.PayerSigner.Bytes(), Payee: k.Payee.Bytes(), PayeeSigner: k.PayeeSigner.Bytes(),
		Token: k.Token.Bytes(), CloseDelayS: k.CloseDelay, Salt: k.Salt,
	}
}

func (r *reader) channel(m *wirev1.ChannelKey) ChannelKey {
	k := ChannelKey{
		Payer: r.address("payer", m.GetPayer()), PayerSigner: r.address("payer_signer", m.GetPayerSigner()),
		Payee: r.address("payee", m.GetPayee()), PayeeSigner: r.address("payee_signer", m.GetPayeeSigner()),
		Token: r.address("token", m.GetToken()), CloseDelay: m.GetCloseDelayS(), Salt: m.GetSalt(),
	}
	if r.err == nil {
		if err := k.Validate(); err != nil {
			r.err = Refuse(CodeWrongChannel, err.Error(), "", "")
		}
	}
	return k
}

// ChannelKeyFromWire reads and validates a channel's key.
func ChannelKeyFromWire(m *wirev1.ChannelKey) (ChannelKey, error) {
	var r reader
	k := r.channel(m)
	return k, r.err
}

// Wire returns v as a message.
func (v Voucher) Wire() *wirev1.Voucher {
	m := &wirev1.Voucher{Channel: v.Channel[:], Cumulative: v.Cumulative.Bytes()}
	if !v.Signature.IsZero() {
		m.Signature = v.Signature[:]
	}
	return m
}

// VoucherFromWire reads a voucher; its signature is not checked here.
func VoucherFromWire(m *wirev1.Voucher) (Voucher, error) {
	var r reader
	v := Voucher{
		Channel: ChannelID(r.hash("channel", m.GetChannel())), Cumulative: r.amount("cumulative", m.GetCumulative()),
		Signature: r.signature("signature", m.GetSignature()),
	}
	return v, r.err
}

// Wire returns s as a message.
func (s Settlement) Wire() *wirev1.Settlement {
	return &wirev1.Settlement{Amount: s.Amount.Bytes(), DeadlineS: uint64(s.Deadline.Unix()), Signature: s.Signature[:]}
}

// SettlementFromWire reads the settlement of the channel that was asked about.
func SettlementFromWire(channel ChannelID, m *wirev1.Settlement) (Settlement, error) {
	var r reader
	if m.GetDeadlineS() >= 1<<40 {
		r.fail("deadline_s", m.GetDeadlineS(), "40 bits")
	}
	s := Settlement{
		Channel: channel, Amount: r.amount("amount", m.GetAmount()),
		Deadline: time.Unix(int64(m.GetDeadlineS()), 0), Signature: r.signature("signature", m.GetSignature()),
	}
	return s, r.err
}

// Wire returns q as a message.
func (q Quote) Wire() *wirev1.QuoteRequest {
	return &wirev1.QuoteRequest{Needs: q.Needs.Wire(), JobCommitment: q.Job[:], Channel: q.Channel.Wire()}
}

// Quote is what a requester asks a provider's terms for.
type Quote struct {
	Needs   Needs
	Job     Hash // commitment
	Channel ChannelKey
}

// QuoteFromWire reads a request for terms.
func QuoteFromWire(m *wirev1.QuoteRequest) (Quote, error) {
	var r reader
	q := Quote{Needs: r.needs(m.GetNeeds()), Job: r.hash("job_commitment", m.GetJobCommitment()), Channel: r.channel(m.GetChannel())}
	return q, r.err
}

// Wire returns t as a message, with the signatures that are there.
func (t SignedTerms) Wire() *wirev1.SignedTerms {
	m := &wirev1.SignedTerms{Terms: &wirev1.Terms{
		ProviderPeer: t.ProviderPeer[:], RequesterPeer: t.RequesterPeer[:], Channel: t.Channel.Wire(), JobCommitment: t.Job[:],
		Driver: string(t.Driver), Resources: t.Resources.Wire(), Network: uint32(t.Network), Price: t.Price.Amount().Bytes(),
		SliceMs: span(t.Slice), StartFee: t.StartFee.Bytes(), GraceMs: span(t.Grace), MaxDurationMs: span(t.MaxDuration),
		RetentionMs: span(t.Retention), IssuedMs: millis(t.Issued), ExpiresMs: millis(t.Expires), Nonce: t.Nonce[:],
	}}
	if !t.Provider.IsZero() {
		m.ProviderSignature = t.Provider[:]
	}
	if !t.Requester.IsZero() {
		m.RequesterSignature = t.Requester[:]
	}
	return m
}

// SignedTermsFromWire reads and validates terms; signatures are not checked here.
func SignedTermsFromWire(m *wirev1.SignedTerms) (SignedTerms, error) {
	var r reader
	w := m.GetTerms()
	t := SignedTerms{
		Terms: Terms{
			ProviderPeer: r.peer("provider_peer", w.GetProviderPeer()), RequesterPeer: r.peer("requester_peer", w.GetRequesterPeer()),
			Channel: r.channel(w.GetChannel()), Job: r.hash("job_commitment", w.GetJobCommitment()),
			Driver: r.driver(w.GetDriver()), Resources: r.resources(w.GetResources()), Network: r.network(w.GetNetwork()),
			Price: PerHour(r.amount("price", w.GetPrice())), Slice: r.span("slice_ms", w.GetSliceMs()),
			StartFee: r.amount("start_fee", w.GetStartFee()), Grace: r.span("grace_ms", w.GetGraceMs()),
			MaxDuration: r.span("max_duration_ms", w.GetMaxDurationMs()), Retention: r.span("retention_ms", w.GetRetentionMs()),
			Issued: r.time("issued_ms", w.GetIssuedMs()), Expires: r.time("expires_ms", w.GetExpiresMs()), Nonce: r.hash("nonce", w.GetNonce()),
		},
		Provider:  r.signature("provider_signature", m.GetProviderSignature()),
		Requester: r.signature("requester_signature", m.GetRequesterSignature()),
	}
	if r.err == nil {
		r.err = t.Validate()
	}
	return t, r.err
}

// Wire returns r as a message.
func (r Receipt) Wire() *wirev1.Receipt {
	return &wirev1.Receipt{
		Lease: r.Lease[:], UsageMs: span(r.Usage), Due: r.Due.Bytes(), End: uint32(r.End), ExitCode: r.ExitCode,
		Result: r.Result, Signature: r.Signature[:],
	}
}

// ReceiptFromWire reads a receipt; its signature is not checked here.
func ReceiptFromWire(m *wirev1.Receipt) (Receipt, error) {
	var r reader
	if m.GetEnd() == 0 || m.GetEnd() > math.MaxUint16 {
		r.fail("end", m.GetEnd(), "1 to 65535")
	}
	if len(m.GetResult()) > 64 {
		r.fail("result", fmt.Sprintf("%d bytes", len(m.GetResult())), "a CID of at most 64 bytes")
	}
	out := Receipt{
		Lease: LeaseID(r.hash("lease", m.GetLease())), Usage: r.span("usage_ms", m.GetUsageMs()), Due: r.amount("due", m.GetDue()),
		End: End(m.GetEnd()), ExitCode: m.GetExitCode(), Result: m.GetResult(), Signature: r.signature("signature", m.GetSignature()),
	}
	return out, r.err
}

// AmountFromWire reads the amount in the named field of a message.
func AmountFromWire(field string, b []byte) (Amount, error) {
	var r reader
	a := r.amount(field, b)
	return a, r.err
}
