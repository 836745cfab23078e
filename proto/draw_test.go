package proto

import (
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"
)

// Generators of values that are right in form, for properties of the wire and of
// hashes. Their edges are those of the wire: milliseconds, 96 bits, limits.

func drawBytes(t *rapid.T, name string, n int) []byte {
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name)
}

func drawHash(t *rapid.T, name string) Hash { return Hash(drawBytes(t, name, 32)) }

func drawAccount(t *rapid.T, name string) common.Address {
	return common.Address(append([]byte{1}, drawBytes(t, name, 19)...)) // never zero
}

func drawSignature(t *rapid.T, name string) Signature {
	if rapid.Bool().Draw(t, name+" is there") {
		return Signature(append([]byte{1}, drawBytes(t, name, 64)...))
	}
	return Signature{}
}

func drawSpan(t *rapid.T, name string, least, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(least.Milliseconds(), most.Milliseconds()).Draw(t, name)) * time.Millisecond
}

func drawTime(t *rapid.T, name string) time.Time {
	return time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, name))
}

func drawText(t *rapid.T, name string) string {
	return rapid.StringMatching(`[ -~]{0,64}`).Draw(t, name)
}

func drawResources(t *rapid.T) Resources {
	return Resources{
		CPUMillis: rapid.Uint32().Draw(t, "cpu"), Memory: rapid.Uint64Range(0, 1<<60).Draw(t, "memory"),
		Disk: rapid.Uint64Range(0, 1<<60).Draw(t, "disk"), GPUs: rapid.Uint32().Draw(t, "gpus"),
		VRAM: rapid.Uint64Range(0, 1<<60).Draw(t, "vram"), GPUModel: drawText(t, "model"),
	}
}

func drawDriver(t *rapid.T) Driver {
	return rapid.SampledFrom([]Driver{DriverWasm, DriverDocker}).Draw(t, "driver")
}

func drawNetwork(t *rapid.T) Network { return Network(rapid.Uint8Range(0, 2).Draw(t, "network")) }

func drawNeeds(t *rapid.T) Needs {
	return Needs{
		Driver: drawDriver(t), Resources: drawResources(t), Network: drawNetwork(t),
		MaxDuration: drawSpan(t, "duration", 0, MaxSpan), Token: drawAccount(t, "token"), MaxPrice: PerHour(amounts().Draw(t, "price")),
	}
}

func drawChannelKey(t *rapid.T) ChannelKey {
	k := ChannelKey{
		Payer: drawAccount(t, "payer"), PayerSigner: drawAccount(t, "payer signer"), Payee: drawAccount(t, "payee"),
		PayeeSigner: drawAccount(t, "payee signer"), Token: drawAccount(t, "token"),
		CloseDelay: rapid.Uint32Range(3600, 30*24*3600).Draw(t, "delay"), Salt: rapid.Uint64().Draw(t, "salt"),
	}
	k.Payer[1], k.PayerSigner[1], k.Payee[1], k.PayeeSigner[1], k.Token[1] = 1, 1, 2, 2, 3 // all different where they must be
	return k
}

func drawVoucher(t *rapid.T) Voucher {
	return Voucher{Channel: ChannelID(drawHash(t, "channel")), Cumulative: amounts().Draw(t, "cumulative"), Signature: drawSignature(t, "signature")}
}

func drawSettlement(t *rapid.T) Settlement {
	return Settlement{
		Channel: ChannelID(drawHash(t, "channel")), Amount: amounts().Draw(t, "amount"),
		Deadline: time.Unix(rapid.Int64Range(0, 1<<40-1).Draw(t, "deadline"), 0), Signature: drawSignature(t, "signature"),
	}
}

func drawReceipt(t *rapid.T) Receipt {
	r := Receipt{
		Lease: LeaseID(drawHash(t, "lease")), Usage: drawSpan(t, "usage", 0, MaxSpan), Due: amounts().Draw(t, "due"),
		End: End(rapid.Uint16Range(1, 65535).Draw(t, "end")), ExitCode: rapid.Int32().Draw(t, "exit code"), Signature: drawSignature(t, "signature"),
	}
	if n := rapid.IntRange(0, 64).Draw(t, "length of the result"); n > 0 {
		r.Result = drawBytes(t, "result", n)
	}
	return r
}

func drawIdentity(t *rapid.T) Identity {
	return Identity{
		Peer: PeerKey(drawHash(t, "peer")), Payee: drawAccount(t, "payee"), PayeeSigner: drawAccount(t, "payee signer"),
		Expires: drawTime(t, "expires"), Signature: drawSignature(t, "signature"),
	}
}

func drawTerms(t *rapid.T) SignedTerms {
	terms := Terms{
		ProviderPeer: PeerKey(drawHash(t, "provider")), RequesterPeer: PeerKey(drawHash(t, "requester")), Channel: drawChannelKey(t),
		Job: drawHash(t, "job"), Driver: drawDriver(t), Resources: drawResources(t), Network: drawNetwork(t),
		Price: PerHour(amounts().Draw(t, "price")), Slice: drawSpan(t, "slice", MinSlice, MaxSlice), Grace: drawSpan(t, "grace", 0, MaxGrace),
		MaxDuration: drawSpan(t, "duration", time.Millisecond, MaxSpan), Retention: drawSpan(t, "retention", 0, MaxRetention),
		Issued: drawTime(t, "issued"), Nonce: drawHash(t, "nonce"),
	}
	terms.ProviderPeer[0], terms.RequesterPeer[0] = 1, 2
	terms.Expires = terms.Issued.Add(drawSpan(t, "life", time.Millisecond, QuoteLife))
	terms.StartFee = MinAmount(amounts().Draw(t, "fee"), terms.SliceAmount())
	return SignedTerms{Terms: terms, Provider: drawSignature(t, "by provider"), Requester: drawSignature(t, "by requester")}
}

func drawDomain(t *rapid.T) Domain {
	return Domain{ChainID: rapid.Uint64().Draw(t, "chain id"), Channels: drawAccount(t, "contract")}
}
