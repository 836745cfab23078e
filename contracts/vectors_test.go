package contracts_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"math/big"
	"os"
	"strconv"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/lode-market/lode/contracts"
)

// vectorsFile is read by this test, by proto's and by test/Vectors.t.sol: three implementations of the same hashes.
const vectorsFile = "../proto/testdata/eip712.json"

var update = flag.Bool("update", false, "rewrite domain, keys, vouchers and settlements of "+vectorsFile)

type domainVector struct {
	Name              string         `json:"name"`
	Version           string         `json:"version"`
	ChainID           string         `json:"chainId"`
	VerifyingContract common.Address `json:"verifyingContract"`
	Separator         common.Hash    `json:"separator"`
}

type keyVector struct {
	Payer       common.Address `json:"payer"`
	PayerSigner common.Address `json:"payerSigner"`
	Payee       common.Address `json:"payee"`
	PayeeSigner common.Address `json:"payeeSigner"`
	Token       common.Address `json:"token"`
	CloseDelay  string         `json:"closeDelay"`
	Salt        string         `json:"salt"`
	ID          common.Hash    `json:"id"`
}

// signedVector is what vouchers and settlements share. Signature is r, s, v (65 bytes, v is 27 or 28).
type signedVector struct {
	PrivateKey hexutil.Bytes  `json:"privateKey"`
	Signer     common.Address `json:"signer"`
	StructHash common.Hash    `json:"structHash"`
	Digest     common.Hash    `json:"digest"`
	Signature  hexutil.Bytes  `json:"signature"`
}

type voucherVector struct {
	Channel    common.Hash `json:"channel"`
	Cumulative string      `json:"cumulative"`
	signedVector
}

type settlementVector struct {
	Channel  common.Hash `json:"channel"`
	Amount   string      `json:"amount"`
	Deadline string      `json:"deadline"`
	signedVector
}

var (
	maxUint96 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 96), big.NewInt(1)).String()

	domain = apitypes.TypedDataDomain{
		Name:              "Lode Channels",
		Version:           "1",
		ChainId:           math.NewHexOrDecimal256(31337),
		VerifyingContract: common.HexToAddress("0x10de000000000000000000000000000000000001").Hex(),
	}
	typedData = apitypes.Types{
		"EIP712Domain": {
			{Name: "name", Type: "string"},
			{Name: "version", Type: "string"},
			{Name: "chainId", Type: "uint256"},
			{Name: "verifyingContract", Type: "address"},
		},
		"Voucher": {
			{Name: "channel", Type: "bytes32"},
			{Name: "cumulative", Type: "uint96"},
		},
		"Settlement": {
			{Name: "channel", Type: "bytes32"},
			{Name: "amount", Type: "uint96"},
			{Name: "deadline", Type: "uint40"},
		},
	}
)

// TestVectors computes the vectors by go-ethereum's general EIP-712 code and compares them with the file.
func TestVectors(t *testing.T) {
	want := map[string]any{"domain": domainOf(t)}
	var keys []keyVector
	for _, k := range []contracts.Key{
		{CloseDelay: 3600, Salt: 0},
		{CloseDelay: 86400, Salt: 1},
		{CloseDelay: 2592000, Salt: 1<<64 - 1},
	} {
		n := int64(len(keys))
		k.Payer, k.PayerSigner = account(10*n+1), account(10*n+2)
		k.Payee, k.PayeeSigner = account(10*n+3), account(10*n+4)
		k.Token = account(10*n + 5)
		keys = append(keys, vectorOf(t, k))
	}
	var vouchers []voucherVector
	var settlements []settlementVector
	for i, key := range keys {
		n := int64(10 * i)
		for _, amount := range []string{"0", "1", "1234567", maxUint96} {
			vouchers = append(vouchers, voucherVector{key.ID, amount, sign(t, privateKey(n+2), "Voucher",
				apitypes.TypedDataMessage{"channel": key.ID.Hex(), "cumulative": amount})})
		}
		settlements = append(settlements,
			settle(t, privateKey(n+4), key.ID, "0", "0"),
			settle(t, privateKey(n+4), key.ID, "1234567", "2000000000"),
			settle(t, privateKey(n+4), key.ID, maxUint96, strconv.Itoa(1<<40-1)))
	}
	want["keys"], want["vouchers"], want["settlements"] = keys, vouchers, settlements

	file := map[string]json.RawMessage{}
	stored, err := os.ReadFile(vectorsFile)
	if err == nil {
		err = json.Unmarshal(stored, &file)
	}
	if err != nil && !(*update && errors.Is(err, fs.ErrNotExist)) {
		t.Fatal(err)
	}
	for name, vectors := range want {
		text, err := json.Marshal(vectors)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			file[name] = text
			continue
		}
		var have bytes.Buffer
		if err := json.Compact(&have, file[name]); err != nil {
			t.Fatalf("%s of %s: %v", name, vectorsFile, err)
		}
		if !bytes.Equal(have.Bytes(), text) {
			t.Errorf("%s of %s differ (go test ./contracts -update writes them anew):\nhave %s\nwant %s",
				name, vectorsFile, have.Bytes(), text)
		}
	}
	if *update {
		text, err := json.MarshalIndent(file, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// privateKey derives the nth test key. Never fund one.
func privateKey(n int64) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("lode vector key"), big.NewInt(n).Bytes()))
	if err != nil {
		panic(err) // One hash in 2^128 is no key.
	}
	return key
}

func account(n int64) common.Address {
	return crypto.PubkeyToAddress(privateKey(n).PublicKey)
}

func domainOf(t *testing.T) domainVector {
	data := apitypes.TypedData{Types: typedData, Domain: domain}
	separator, err := data.HashStruct("EIP712Domain", domain.Map())
	if err != nil {
		t.Fatal(err)
	}
	return domainVector{domain.Name, domain.Version, (*big.Int)(domain.ChainId).String(),
		common.HexToAddress(domain.VerifyingContract), common.BytesToHash(separator)}
}

// vectorOf takes the id from the ABI encoding that the bindings themselves use.
func vectorOf(t *testing.T, k contracts.Key) keyVector {
	parsed, err := contracts.ChannelsMetaData.ParseABI()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := abi.Arguments{parsed.Methods["channelId"].Inputs[0]}.Pack(k)
	if err != nil {
		t.Fatal(err)
	}
	return keyVector{k.Payer, k.PayerSigner, k.Payee, k.PayeeSigner, k.Token,
		strconv.FormatUint(uint64(k.CloseDelay), 10), strconv.FormatUint(k.Salt, 10), crypto.Keccak256Hash(encoded)}
}

func settle(t *testing.T, key *ecdsa.PrivateKey, channel common.Hash, amount, deadline string) settlementVector {
	return settlementVector{channel, amount, deadline, sign(t, key, "Settlement",
		apitypes.TypedDataMessage{"channel": channel.Hex(), "amount": amount, "deadline": deadline})}
}

func sign(t *testing.T, key *ecdsa.PrivateKey, primary string, message apitypes.TypedDataMessage) signedVector {
	data := apitypes.TypedData{Types: typedData, PrimaryType: primary, Domain: domain, Message: message}
	structHash, err := data.HashStruct(primary, message)
	if err != nil {
		t.Fatal(err)
	}
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := crypto.Sign(digest, key)
	if err != nil {
		t.Fatal(err)
	}
	signature[crypto.RecoveryIDOffset] += 27
	return signedVector{crypto.FromECDSA(key), crypto.PubkeyToAddress(key.PublicKey),
		common.BytesToHash(structHash), common.BytesToHash(digest), signature}
}
