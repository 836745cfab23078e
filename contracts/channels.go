// Code generated via abigen V2 - DO NOT EDIT.
// This file is a generated binding and any manual changes will be lost.

package contracts

import (
	"bytes"
	"errors"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Reference imports to suppress errors if they are not otherwise used.
var (
	_ = bytes.Equal
	_ = errors.New
	_ = big.NewInt
	_ = common.Big1
	_ = types.BloomLookup
	_ = abi.ConvertType
)

// Channel is an auto generated low-level Go binding around an user-defined struct.
type Channel struct {
	Deposited *big.Int
	Claimed   *big.Int
	ClosesAt  *big.Int
	Closed    bool
}

// Claim is an auto generated low-level Go binding around an user-defined struct.
type Claim struct {
	Payer       common.Address
	PayerSigner common.Address
	PayeeSigner common.Address
	CloseDelay  uint32
	Salt        uint64
	Voucher     Voucher
}

// Deposit is an auto generated low-level Go binding around an user-defined struct.
type Deposit struct {
	Key    Key
	Amount *big.Int
}

// Key is an auto generated low-level Go binding around an user-defined struct.
type Key struct {
	Payer       common.Address
	PayerSigner common.Address
	Payee       common.Address
	PayeeSigner common.Address
	Token       common.Address
	CloseDelay  uint32
	Salt        uint64
}

// Signature is an auto generated low-level Go binding around an user-defined struct.
type Signature struct {
	R  [32]byte
	Vs [32]byte
}

// Voucher is an auto generated low-level Go binding around an user-defined struct.
type Voucher struct {
	Cumulative *big.Int
	Signature  Signature
}

// ChannelsMetaData contains all meta data concerning the Channels contract.
var ChannelsMetaData = bind.MetaData{
	ABI: "[{\"type\":\"constructor\",\"inputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"MAX_CLOSE_DELAY\",\"inputs\":[],\"outputs\":[{\"name\":\"\",\"type\":\"uint32\",\"internalType\":\"uint32\"}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"MIN_CLOSE_DELAY\",\"inputs\":[],\"outputs\":[{\"name\":\"\",\"type\":\"uint32\",\"internalType\":\"uint32\"}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"channel\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}],\"outputs\":[{\"name\":\"\",\"type\":\"tuple\",\"internalType\":\"structChannel\",\"components\":[{\"name\":\"deposited\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"claimed\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"closesAt\",\"type\":\"uint40\",\"internalType\":\"uint40\"},{\"name\":\"closed\",\"type\":\"bool\",\"internalType\":\"bool\"}]}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"channelId\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]}],\"outputs\":[{\"name\":\"\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}],\"stateMutability\":\"pure\"},{\"type\":\"function\",\"name\":\"channelOf\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]}],\"outputs\":[{\"name\":\"\",\"type\":\"tuple\",\"internalType\":\"structChannel\",\"components\":[{\"name\":\"deposited\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"claimed\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"closesAt\",\"type\":\"uint40\",\"internalType\":\"uint40\"},{\"name\":\"closed\",\"type\":\"bool\",\"internalType\":\"bool\"}]}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"claim\",\"inputs\":[{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"claims\",\"type\":\"tuple[]\",\"internalType\":\"structClaim[]\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"},{\"name\":\"voucher\",\"type\":\"tuple\",\"internalType\":\"structVoucher\",\"components\":[{\"name\":\"cumulative\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"signature\",\"type\":\"tuple\",\"internalType\":\"structSignature\",\"components\":[{\"name\":\"r\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"vs\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]}]}]}],\"outputs\":[{\"name\":\"paid\",\"type\":\"uint256\",\"internalType\":\"uint256\"}],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"deposit\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]},{\"name\":\"amount\",\"type\":\"uint96\",\"internalType\":\"uint96\"}],\"outputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"depositMany\",\"inputs\":[{\"name\":\"deposits\",\"type\":\"tuple[]\",\"internalType\":\"structDeposit[]\",\"components\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]},{\"name\":\"amount\",\"type\":\"uint96\",\"internalType\":\"uint96\"}]}],\"outputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"depositWithPermit\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]},{\"name\":\"amount\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"deadline\",\"type\":\"uint256\",\"internalType\":\"uint256\"},{\"name\":\"v\",\"type\":\"uint8\",\"internalType\":\"uint8\"},{\"name\":\"r\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"s\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}],\"outputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"domainSeparator\",\"inputs\":[],\"outputs\":[{\"name\":\"\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"eip712Domain\",\"inputs\":[],\"outputs\":[{\"name\":\"fields\",\"type\":\"bytes1\",\"internalType\":\"bytes1\"},{\"name\":\"name\",\"type\":\"string\",\"internalType\":\"string\"},{\"name\":\"version\",\"type\":\"string\",\"internalType\":\"string\"},{\"name\":\"chainId\",\"type\":\"uint256\",\"internalType\":\"uint256\"},{\"name\":\"verifyingContract\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"salt\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"extensions\",\"type\":\"uint256[]\",\"internalType\":\"uint256[]\"}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"settle\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]},{\"name\":\"amount\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"deadline\",\"type\":\"uint40\",\"internalType\":\"uint40\"},{\"name\":\"payeeSignature\",\"type\":\"tuple\",\"internalType\":\"structSignature\",\"components\":[{\"name\":\"r\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"vs\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]},{\"name\":\"voucher\",\"type\":\"tuple\",\"internalType\":\"structVoucher\",\"components\":[{\"name\":\"cumulative\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"signature\",\"type\":\"tuple\",\"internalType\":\"structSignature\",\"components\":[{\"name\":\"r\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"vs\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]}]}],\"outputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"settlementDigest\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"amount\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"deadline\",\"type\":\"uint40\",\"internalType\":\"uint40\"}],\"outputs\":[{\"name\":\"\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"startClose\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]}],\"outputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"function\",\"name\":\"voucherDigest\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"cumulative\",\"type\":\"uint96\",\"internalType\":\"uint96\"}],\"outputs\":[{\"name\":\"\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}],\"stateMutability\":\"view\"},{\"type\":\"function\",\"name\":\"withdraw\",\"inputs\":[{\"name\":\"key\",\"type\":\"tuple\",\"internalType\":\"structKey\",\"components\":[{\"name\":\"payer\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"internalType\":\"uint64\"}]}],\"outputs\":[],\"stateMutability\":\"nonpayable\"},{\"type\":\"event\",\"name\":\"ChannelClosed\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"indexed\":true,\"internalType\":\"bytes32\"},{\"name\":\"claimed\",\"type\":\"uint96\",\"indexed\":false,\"internalType\":\"uint96\"},{\"name\":\"returned\",\"type\":\"uint96\",\"indexed\":false,\"internalType\":\"uint96\"}],\"anonymous\":false},{\"type\":\"event\",\"name\":\"ChannelClosing\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"indexed\":true,\"internalType\":\"bytes32\"},{\"name\":\"closesAt\",\"type\":\"uint40\",\"indexed\":false,\"internalType\":\"uint40\"}],\"anonymous\":false},{\"type\":\"event\",\"name\":\"ChannelOpened\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"indexed\":true,\"internalType\":\"bytes32\"},{\"name\":\"payer\",\"type\":\"address\",\"indexed\":true,\"internalType\":\"address\"},{\"name\":\"payee\",\"type\":\"address\",\"indexed\":true,\"internalType\":\"address\"},{\"name\":\"payerSigner\",\"type\":\"address\",\"indexed\":false,\"internalType\":\"address\"},{\"name\":\"payeeSigner\",\"type\":\"address\",\"indexed\":false,\"internalType\":\"address\"},{\"name\":\"token\",\"type\":\"address\",\"indexed\":false,\"internalType\":\"contractIERC20\"},{\"name\":\"closeDelay\",\"type\":\"uint32\",\"indexed\":false,\"internalType\":\"uint32\"},{\"name\":\"salt\",\"type\":\"uint64\",\"indexed\":false,\"internalType\":\"uint64\"},{\"name\":\"deposited\",\"type\":\"uint96\",\"indexed\":false,\"internalType\":\"uint96\"}],\"anonymous\":false},{\"type\":\"event\",\"name\":\"Claimed\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"indexed\":true,\"internalType\":\"bytes32\"},{\"name\":\"claimed\",\"type\":\"uint96\",\"indexed\":false,\"internalType\":\"uint96\"}],\"anonymous\":false},{\"type\":\"event\",\"name\":\"Deposited\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"indexed\":true,\"internalType\":\"bytes32\"},{\"name\":\"deposited\",\"type\":\"uint96\",\"indexed\":false,\"internalType\":\"uint96\"}],\"anonymous\":false},{\"type\":\"event\",\"name\":\"EIP712DomainChanged\",\"inputs\":[],\"anonymous\":false},{\"type\":\"error\",\"name\":\"BadSettlement\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]},{\"type\":\"error\",\"name\":\"BadVoucher\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"index\",\"type\":\"uint256\",\"internalType\":\"uint256\"}]},{\"type\":\"error\",\"name\":\"ChannelIsClosed\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]},{\"type\":\"error\",\"name\":\"ChannelIsClosing\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"closesAt\",\"type\":\"uint40\",\"internalType\":\"uint40\"}]},{\"type\":\"error\",\"name\":\"ChannelIsNotClosing\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]},{\"type\":\"error\",\"name\":\"ChannelIsUnknown\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]},{\"type\":\"error\",\"name\":\"CloseDelayRunning\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"closesAt\",\"type\":\"uint40\",\"internalType\":\"uint40\"}]},{\"type\":\"error\",\"name\":\"InvalidCloseDelay\",\"inputs\":[{\"name\":\"actual\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"min\",\"type\":\"uint32\",\"internalType\":\"uint32\"},{\"name\":\"max\",\"type\":\"uint32\",\"internalType\":\"uint32\"}]},{\"type\":\"error\",\"name\":\"InvalidParty\",\"inputs\":[{\"name\":\"party\",\"type\":\"address\",\"internalType\":\"address\"}]},{\"type\":\"error\",\"name\":\"InvalidShortString\",\"inputs\":[]},{\"type\":\"error\",\"name\":\"NotAToken\",\"inputs\":[{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"}]},{\"type\":\"error\",\"name\":\"NotPayer\",\"inputs\":[{\"name\":\"caller\",\"type\":\"address\",\"internalType\":\"address\"}]},{\"type\":\"error\",\"name\":\"ReentrancyGuardReentrantCall\",\"inputs\":[]},{\"type\":\"error\",\"name\":\"SafeERC20FailedOperation\",\"inputs\":[{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"address\"}]},{\"type\":\"error\",\"name\":\"SameParties\",\"inputs\":[{\"name\":\"party\",\"type\":\"address\",\"internalType\":\"address\"}]},{\"type\":\"error\",\"name\":\"SettlementExpired\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"deadline\",\"type\":\"uint40\",\"internalType\":\"uint40\"}]},{\"type\":\"error\",\"name\":\"StringTooLong\",\"inputs\":[{\"name\":\"str\",\"type\":\"string\",\"internalType\":\"string\"}]},{\"type\":\"error\",\"name\":\"VoucherTooLow\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"},{\"name\":\"cumulative\",\"type\":\"uint96\",\"internalType\":\"uint96\"},{\"name\":\"required\",\"type\":\"uint96\",\"internalType\":\"uint96\"}]},{\"type\":\"error\",\"name\":\"WrongAmountReceived\",\"inputs\":[{\"name\":\"token\",\"type\":\"address\",\"internalType\":\"contractIERC20\"},{\"name\":\"expectedBalance\",\"type\":\"uint256\",\"internalType\":\"uint256\"},{\"name\":\"actualBalance\",\"type\":\"uint256\",\"internalType\":\"uint256\"}]},{\"type\":\"error\",\"name\":\"ZeroAmount\",\"inputs\":[{\"name\":\"id\",\"type\":\"bytes32\",\"internalType\":\"bytes32\"}]},{\"type\":\"error\",\"name\":\"ZeroSigner\",\"inputs\":[]}]",
	ID:  "Channels",
	Bin: "0x6101606040523461012d57604051610018604082610131565b600d815260208101906c4c6f6465204368616e6e656c7360981b825260405191610043604084610131565b600183526020830191603160f81b835261005c81610168565b6101205261006984610168565b61014052519020918260e05251902080610100524660a0526040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a081526100d260c082610131565b5190206080523060c05260405161240490816101d48239608051816121a1015260a0518161225e015260c05181612172015260e051816121f00152610100518161221601526101205181610967015261014051816109910152f35b5f80fd5b601f909101601f19168101906001600160401b0382119082101761015457604052565b634e487b7160e01b5f52604160045260245ffd5b601f815111610193576020815191015160208210610184571790565b5f198260200360031b1b161790565b604460209160405192839163305a27a960e01b83528160048401528051918291826024860152018484015e5f828201840152601f01601f19168101030190fdfe6080806040526004361015610012575f80fd5b5f905f3560e01c908163114d8b0414611838575080631b08c165146116995780631bc45733146114f6578063374ce0e514610fbc5780634d90f55c14610e8f57806361db096f14610e3f57806369f6336b14610ad75780637bb4ca6314610a6557806384b0196e1461092f57806389ce4c75146108f357806390a812ad14610878578063b7d9c80e146107e0578063e013b42a14610222578063ecbb7784146101e7578063f698da25146101ae5763ff756469146100ce575f80fd5b346101ab5760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab576101056118c6565b6044359164ffffffffff831683036101ab5760206101a361016385856004359091608092604051927f2d3581dc445e1dafbb985f16760f7027049e549a49a3b45a1ecf8d268c6c115984526020840152604083015260608201522090565b61016b61215b565b604291604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b604051908152f35b80fd5b50346101ab57807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab5760206101a361215b565b50346101ab57807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab576020604051610e108152f35b50346101ab577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36016101c081126107dc5760e0136101ab576102636118ab565b90610104359164ffffffffff8316928381036107d85760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffedc3601126107d85760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe9c3601126107d8576102d5611b26565b6102dd611b9a565b909391958042116107a857506102f161215b565b916044359373ffffffffffffffffffffffffffffffffffffffff85168086036107a457330361066e575b50610324611968565b946bffffffffffffffffffffffff8316936bffffffffffffffffffffffff8460601c1692856bffffffffffffffffffffffff8216105f1461066657905b6bffffffffffffffffffffffff821684811161046f575050509261044996977e3d8446dfbe457008c90c2640d6f7ba5fb7c10308e632d499e0e247309eb73a7d01000000000000000000000000000000000000000000000000000000000097969484610441976bffffffffffffffffffffffff809780935b81039703169a8b9377ffffffffffffffffffffffff0000000000000000000000008860601b160117905561042f604051928392839092916bffffffffffffffffffffffff60209181604085019616845216910152565b0390a2169061043c611924565b611c00565b61043c611924565b807f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d80f35b73ffffffffffffffffffffffffffffffffffffffff899593951633036104f4575b5050977e3d8446dfbe457008c90c2640d6f7ba5fb7c10308e632d499e0e247309eb73a7d0100000000000000000000000000000000000000000000000000000000009796948461044197946bffffffffffffffffffffffff80976104499d9e6103d9565b61016435906bffffffffffffffffffffffff82168083036106625781811061062f5750506105d09161055c610595928d606091604051917f51effdd0ca90de0f04535b27bdf057d6510f1b8d2c9305b85455e0a178f1f6f78352602083015260408201522090565b90604291604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b6101a4357f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff81169160ff601b6101843593821c011690612375565b505073ffffffffffffffffffffffffffffffffffffffff806105f061198b565b169116036105ff575f80610490565b6044888a7f402b942f00000000000000000000000000000000000000000000000000000000825260045280602452fd5b7fc8e27c7a000000000000000000000000000000000000000000000000000000008c5260048d905260245260445260648afd5b8b80fd5b508490610361565b6106f26106b961072d92848b9091608092604051927f2d3581dc445e1dafbb985f16760f7027049e549a49a3b45a1ecf8d268c6c115984526020840152604083015260608201522090565b85604291604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b610144357f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff81169160ff601b6101243593821c011690612375565b50506064359073ffffffffffffffffffffffffffffffffffffffff8216918281036107a0575073ffffffffffffffffffffffffffffffffffffffff1603610774575f61031b565b602486887f0d3cd329000000000000000000000000000000000000000000000000000000008252600452fd5b8880fd5b8780fd5b85604491887fc2e52be9000000000000000000000000000000000000000000000000000000008352600452602452fd5b8280fd5b5080fd5b50346101ab5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab5761087461081e600435611abf565b6040519182918291909160608060808301946bffffffffffffffffffffffff81511684526bffffffffffffffffffffffff602082015116602085015264ffffffffff604082015116604085015201511515910152565b0390f35b50346101ab5760407ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab5760206101a36101636108b86118c6565b600435606091604051917f51effdd0ca90de0f04535b27bdf057d6510f1b8d2c9305b85455e0a178f1f6f78352602083015260408201522090565b50346101ab57807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab57602060405162278d008152f35b50346101ab57807ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab57610a099061098b7f0000000000000000000000000000000000000000000000000000000000000000612284565b906109b57f0000000000000000000000000000000000000000000000000000000000000000612284565b906020610a17604051936109c98386611a5a565b8385525f3681376040519687967f0f00000000000000000000000000000000000000000000000000000000000000885260e08589015260e08801906118e1565b9086820360408801526118e1565b904660608601523060808601528260a086015284820360c08601528080855193848152019401925b828110610a4e57505050500390f35b835185528695509381019392810192600101610a3f565b50346101ab577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360161010081126107dc5760e0136101ab57610449610aa96118ab565b610ab1611b26565b610aba81611cd4565b6bffffffffffffffffffffffff610acf611924565b911690611f60565b50346101ab5760607ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab5760043573ffffffffffffffffffffffffffffffffffffffff8116908181036107d85773ffffffffffffffffffffffffffffffffffffffff60243516918260243503610e3b5760443567ffffffffffffffff8111610e3757610b6c90369060040161187a565b939091610b77611b26565b8594610b8161215b565b926040519260e0840184811067ffffffffffffffff821117610e0a576040528884528860208501528860608501528860a08501528860c085015260408401526080830152865b818110610c095760208789610bdf828a602435611c00565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d604051908152f35b610c148183876119ae565b966040888537602060408901606086013760406060890160a086013760e0842090818a52600260205260408a20805490610c5060a08c016119eb565b9a8c6bffffffffffffffffffffffff848116908e16811115610e0457508c5b8d6bffffffffffffffffffffffff808760601c1691161115610df4578460e81c610df457610d3b6020610d3273ffffffffffffffffffffffffffffffffffffffff94610cf38f61055c88978e606091604051917f51effdd0ca90de0f04535b27bdf057d6510f1b8d2c9305b85455e0a178f1f6f78352602083015260408201522090565b905060e08701357f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff81169160ff601b60c08b013593821c011690612375565b50509401611947565b16911603610dc45760019493926bffffffffffffffffffffffff836020938e837f954ce6800c4346f2a1f0142b4b6055052e2fdcc82ddf966c479a8eb8c1abdc6a9760601c1690039177ffffffffffffffffffffffff0000000000000000000000008360601b1601905516019a6bffffffffffffffffffffffff60405191168152a25b01610bc7565b60448c86867f402b942f000000000000000000000000000000000000000000000000000000008352600452602452fd5b5050505050975050600190610dbe565b9c610c6f565b60248a7f4e487b710000000000000000000000000000000000000000000000000000000081526041600452fd5b8480fd5b8380fd5b50346101ab5760e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc3601126101ab5750610e78611a9b565b5061087461081e60e0604051816004823720611abf565b5034610fb8577ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36016101808112610fb85760e013610fb857610ed06118ab565b610124359060ff8216809203610fb857610ee8611b26565b610ef181611cd4565b73ffffffffffffffffffffffffffffffffffffffff610f0e611924565b1690813b15610fb8576bffffffffffffffffffffffff60e45f928360405195869485937fd505accf000000000000000000000000000000000000000000000000000000008552336004860152306024860152169788604485015261010435606485015260848401526101443560a48401526101643560c48401525af1610fa1575b5061044990610f9c611924565b611f60565b610fae9192505f90611a5a565b5f90610449610f8f565b5f80fd5b34610fb85760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610fb85760043567ffffffffffffffff8111610fb85761100b90369060040161187a565b90611014611b26565b5f5b828110611042575f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b61105860806110528386866119ae565b01611947565b925f9360015b15611493575b5f946110718484876119ae565b9061108860e061108287878a6119ae565b016119eb565b6bffffffffffffffffffffffff60e06040518186823720911692831561146757815f52600260205260405f20938454948560e81c61143b5764ffffffffff8660c01c168061140c57506bffffffffffffffffffffffff861691808301966bffffffffffffffffffffffff88116112ba570190556113ca5761110881611947565b9161111560408301611947565b9161112260808201611947565b9061112f60208201611947565b9361113c60608301611947565b60a08301359163ffffffff83168303610fb85773ffffffffffffffffffffffffffffffffffffffff8091611170878b6122db565b61117a87826122db565b1697169587871461139e5773ffffffffffffffffffffffffffffffffffffffff169182158015611380575b6113585763ffffffff1693610e108510801561134c575b6113135773ffffffffffffffffffffffffffffffffffffffff1692833b156112e75760c001359867ffffffffffffffff8a16809a03610fb857611288997f6b0575d3feec02cbfc10c5a3f59f47d1c0daf8a262a9e990e8f719e8a433fcd09560c09573ffffffffffffffffffffffffffffffffffffffff6bffffffffffffffffffffffff956040519788521660208701526040860152606085015260808401521660a0820152a45b6bffffffffffffffffffffffff61128160e061108288888b6119ae565b1690611a04565b927fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff81146112ba57600101929461105e565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b837ff0ae59ab000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b847f183a3247000000000000000000000000000000000000000000000000000000005f52600452610e1060245262278d0060445260645ffd5b5062278d0085116111bc565b7fe5c48ac5000000000000000000000000000000000000000000000000000000005f5260045ffd5b5073ffffffffffffffffffffffffffffffffffffffff8216156111a5565b867fa8bae024000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b507f284e4cfff1d06ccd51f33440f0ed05a3ddb11ca2c8d369db1c1c2e18518d062e6020611288946bffffffffffffffffffffffff60405191168152a2611264565b847fa58fa26d000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b837fb58982bc000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b507f01802671000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b818310806114b2575b61106457936114ac919294611f60565b91611016565b5073ffffffffffffffffffffffffffffffffffffffff6114d860806110528686896119ae565b1673ffffffffffffffffffffffffffffffffffffffff82161461149c565b34610fb85760e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610fb85761152d611b26565b73ffffffffffffffffffffffffffffffffffffffff61154a611968565b1633141580611672575b61164657611560611b9a565b64ffffffffff8160c01c1680611617575060a43563ffffffff811690818103610fb8575064ffffffffff42160164ffffffffff81116112ba577f59dc788f6f719dc0bea4b5c5d75cedf30df11f7eb80ebedbbf5774ed5a6ac038926020927cffffffffff0000000000000000000000000000000000000000000000008360c01b1617905564ffffffffff60405191168152a25f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b837fa58fa26d000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b7f11a4cac0000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b5073ffffffffffffffffffffffffffffffffffffffff61169061198b565b16331415611554565b34610fb85760e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610fb8576116d0611b26565b6116d8611b9a565b909164ffffffffff8260c01c16801561180c578042106117dd57506bffffffffffffffffffffffff8260601c1692836bffffffffffffffffffffffff841603926bffffffffffffffffffffffff84116112ba577d010000000000000000000000000000000000000000000000000000000000179055604080516bffffffffffffffffffffffff948516815293831660208501526117b8937e3d8446dfbe457008c90c2640d6f7ba5fb7c10308e632d499e0e247309eb73a9190a261179a611924565b906bffffffffffffffffffffffff6117b0611968565b911691611c00565b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b907faac35c8f000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b507fa314cdb6000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b34610fb85760e07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc360112610fb85760e0602091816004823720604051908152f35b9181601f84011215610fb85782359167ffffffffffffffff8311610fb8576020808501948460081b010111610fb857565b60e435906bffffffffffffffffffffffff82168203610fb857565b602435906bffffffffffffffffffffffff82168203610fb857565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b60843573ffffffffffffffffffffffffffffffffffffffff81168103610fb85790565b3573ffffffffffffffffffffffffffffffffffffffff81168103610fb85790565b60043573ffffffffffffffffffffffffffffffffffffffff81168103610fb85790565b60243573ffffffffffffffffffffffffffffffffffffffff81168103610fb85790565b91908110156119be5760081b0190565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b356bffffffffffffffffffffffff81168103610fb85790565b919082018092116112ba57565b6080810190811067ffffffffffffffff821117611a2d57604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117611a2d57604052565b60405190611aa882611a11565b5f6060838281528260208201528260408201520152565b611ac7611a9b565b505f52600260205260405f205460405190611ae182611a11565b6bffffffffffffffffffffffff811682526bffffffffffffffffffffffff8160601c16602083015264ffffffffff8160c01c16604083015260e81c1515606082015290565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c611b725760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b60e060405181600482372090815f52600260205260405f20908154906bffffffffffffffffffffffff821615611bd4578160e81c61143b57565b837f29a59df6000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b9180611c0b57505050565b73ffffffffffffffffffffffffffffffffffffffff604051927fa9059cbb000000000000000000000000000000000000000000000000000000005f521660045260245260205f60448180865af19060015f5114821615611cb3575b60405215611c715750565b73ffffffffffffffffffffffffffffffffffffffff907f5274afe7000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b906001811516611ccb57823b15153d15161690611c66565b503d5f823e3d90fd5b6bffffffffffffffffffffffff60e06040518160048237209116908115611f3557805f52600260205260405f20918254928360e81c611f095764ffffffffff8460c01c168061161757506bffffffffffffffffffffffff841691808301946bffffffffffffffffffffffff86116112ba57019055611ecd576004359073ffffffffffffffffffffffffffffffffffffffff821691828103610fb8576044359373ffffffffffffffffffffffffffffffffffffffff851694858103610fb85760843573ffffffffffffffffffffffffffffffffffffffff811692838203610fb8576024359273ffffffffffffffffffffffffffffffffffffffff841693848103610fb857506064359273ffffffffffffffffffffffffffffffffffffffff841693848103610fb8575060a4359163ffffffff831697888403610fb85782611e1e91611e2395506122db565b6122db565b87871461139e5782158015611ec5575b61135857610e1085108015611eb9575b61131357833b156112e75760c43567ffffffffffffffff8116809103610fb8577f6b0575d3feec02cbfc10c5a3f59f47d1c0daf8a262a9e990e8f719e8a433fcd09560c0956bffffffffffffffffffffffff9460405196875260208701526040860152606085015260808401521660a0820152a4565b5062278d008511611e43565b508115611e33565b9060207f284e4cfff1d06ccd51f33440f0ed05a3ddb11ca2c8d369db1c1c2e18518d062e916bffffffffffffffffffffffff60405191168152a2565b827fb58982bc000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f01802671000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff81166040517f70a08231000000000000000000000000000000000000000000000000000000008152306004820152602081602481855afa80156120d05784905f90612125575b611fc59250611a04565b91604051937f23b872dd000000000000000000000000000000000000000000000000000000005f52336004523060245260445260205f60648180855af19060015f5114821615612106575b50836040525f606052156120db577f70a08231000000000000000000000000000000000000000000000000000000008352306004840152602083602481845afa9283156120d0575f9361209c575b5081830361206b57505050565b7fb013264c000000000000000000000000000000000000000000000000000000005f5260045260245260445260645ffd5b9092506020813d6020116120c8575b816120b860209383611a5a565b81010312610fb85751915f61205e565b3d91506120ab565b6040513d5f823e3d90fd5b7f5274afe7000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b600182151661211c573b15153d1516165f612010565b843d5f823e3d90fd5b50506020813d602011612153575b8161214060209383611a5a565b81010312610fb85783611fc59151611fbb565b3d9150612133565b73ffffffffffffffffffffffffffffffffffffffff7f00000000000000000000000000000000000000000000000000000000000000001630148061225b575b156121c3577f000000000000000000000000000000000000000000000000000000000000000090565b60405160208101907f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f82527f000000000000000000000000000000000000000000000000000000000000000060408201527f000000000000000000000000000000000000000000000000000000000000000060608201524660808201523060a082015260a0815261225560c082611a5a565b51902090565b507f0000000000000000000000000000000000000000000000000000000000000000461461219a565b60ff811690601f82116122b357604051916122a0604084611a5a565b6020808452838101919036833783525290565b7fb3512b0c000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff16908115612349573082146123495773ffffffffffffffffffffffffffffffffffffffff16811461231e5750565b7f1d13fd16000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b507f1d13fd16000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a084116123f9579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa156120d0575f5173ffffffffffffffffffffffffffffffffffffffff8116156123ef57905f905f90565b505f906001905f90565b5050505f916003919056",
}

// Channels is an auto generated Go binding around an Ethereum contract.
type Channels struct {
	abi abi.ABI
}

// GetABI returns the ABI associated with this contract binding.
func (c *Channels) GetABI() abi.ABI {
	return c.abi
}

// NewChannels creates a new instance of Channels.
func NewChannels() *Channels {
	parsed, err := ChannelsMetaData.ParseABI()
	if err != nil {
		panic(errors.New("invalid ABI: " + err.Error()))
	}
	return &Channels{abi: *parsed}
}

// Instance creates a wrapper for a deployed contract instance at the given address.
// Use this to create the instance object passed to abigen v2 library functions Call, Transact, etc.
func (c *Channels) Instance(backend bind.ContractBackend, addr common.Address) *bind.BoundContract {
	return bind.NewBoundContract(addr, c.abi, backend, backend, backend)
}

// PackMaxCloseDelay is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x89ce4c75.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MAX_CLOSE_DELAY() view returns(uint32)
func (channels *Channels) PackMaxCloseDelay() []byte {
	enc, err := channels.abi.Pack("MAX_CLOSE_DELAY")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMaxCloseDelay is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x89ce4c75.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MAX_CLOSE_DELAY() view returns(uint32)
func (channels *Channels) TryPackMaxCloseDelay() ([]byte, error) {
	return channels.abi.Pack("MAX_CLOSE_DELAY")
}

// UnpackMaxCloseDelay is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x89ce4c75.
//
// Solidity: function MAX_CLOSE_DELAY() view returns(uint32)
func (channels *Channels) UnpackMaxCloseDelay(data []byte) (uint32, error) {
	out, err := channels.abi.Unpack("MAX_CLOSE_DELAY", data)
	if err != nil {
		return *new(uint32), err
	}
	out0 := *abi.ConvertType(out[0], new(uint32)).(*uint32)
	return out0, nil
}

// PackMinCloseDelay is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xecbb7784.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function MIN_CLOSE_DELAY() view returns(uint32)
func (channels *Channels) PackMinCloseDelay() []byte {
	enc, err := channels.abi.Pack("MIN_CLOSE_DELAY")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackMinCloseDelay is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xecbb7784.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function MIN_CLOSE_DELAY() view returns(uint32)
func (channels *Channels) TryPackMinCloseDelay() ([]byte, error) {
	return channels.abi.Pack("MIN_CLOSE_DELAY")
}

// UnpackMinCloseDelay is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xecbb7784.
//
// Solidity: function MIN_CLOSE_DELAY() view returns(uint32)
func (channels *Channels) UnpackMinCloseDelay(data []byte) (uint32, error) {
	out, err := channels.abi.Unpack("MIN_CLOSE_DELAY", data)
	if err != nil {
		return *new(uint32), err
	}
	out0 := *abi.ConvertType(out[0], new(uint32)).(*uint32)
	return out0, nil
}

// PackChannel is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb7d9c80e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function channel(bytes32 id) view returns((uint96,uint96,uint40,bool))
func (channels *Channels) PackChannel(id [32]byte) []byte {
	enc, err := channels.abi.Pack("channel", id)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackChannel is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xb7d9c80e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function channel(bytes32 id) view returns((uint96,uint96,uint40,bool))
func (channels *Channels) TryPackChannel(id [32]byte) ([]byte, error) {
	return channels.abi.Pack("channel", id)
}

// UnpackChannel is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xb7d9c80e.
//
// Solidity: function channel(bytes32 id) view returns((uint96,uint96,uint40,bool))
func (channels *Channels) UnpackChannel(data []byte) (Channel, error) {
	out, err := channels.abi.Unpack("channel", data)
	if err != nil {
		return *new(Channel), err
	}
	out0 := *abi.ConvertType(out[0], new(Channel)).(*Channel)
	return out0, nil
}

// PackChannelId is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x114d8b04.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function channelId((address,address,address,address,address,uint32,uint64) key) pure returns(bytes32)
func (channels *Channels) PackChannelId(key Key) []byte {
	enc, err := channels.abi.Pack("channelId", key)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackChannelId is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x114d8b04.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function channelId((address,address,address,address,address,uint32,uint64) key) pure returns(bytes32)
func (channels *Channels) TryPackChannelId(key Key) ([]byte, error) {
	return channels.abi.Pack("channelId", key)
}

// UnpackChannelId is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x114d8b04.
//
// Solidity: function channelId((address,address,address,address,address,uint32,uint64) key) pure returns(bytes32)
func (channels *Channels) UnpackChannelId(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("channelId", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackChannelOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x61db096f.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function channelOf((address,address,address,address,address,uint32,uint64) key) view returns((uint96,uint96,uint40,bool))
func (channels *Channels) PackChannelOf(key Key) []byte {
	enc, err := channels.abi.Pack("channelOf", key)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackChannelOf is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x61db096f.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function channelOf((address,address,address,address,address,uint32,uint64) key) view returns((uint96,uint96,uint40,bool))
func (channels *Channels) TryPackChannelOf(key Key) ([]byte, error) {
	return channels.abi.Pack("channelOf", key)
}

// UnpackChannelOf is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x61db096f.
//
// Solidity: function channelOf((address,address,address,address,address,uint32,uint64) key) view returns((uint96,uint96,uint40,bool))
func (channels *Channels) UnpackChannelOf(data []byte) (Channel, error) {
	out, err := channels.abi.Unpack("channelOf", data)
	if err != nil {
		return *new(Channel), err
	}
	out0 := *abi.ConvertType(out[0], new(Channel)).(*Channel)
	return out0, nil
}

// PackClaim is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x69f6336b.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function claim(address payee, address token, (address,address,address,uint32,uint64,(uint96,(bytes32,bytes32)))[] claims) returns(uint256 paid)
func (channels *Channels) PackClaim(payee common.Address, token common.Address, claims []Claim) []byte {
	enc, err := channels.abi.Pack("claim", payee, token, claims)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackClaim is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x69f6336b.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function claim(address payee, address token, (address,address,address,uint32,uint64,(uint96,(bytes32,bytes32)))[] claims) returns(uint256 paid)
func (channels *Channels) TryPackClaim(payee common.Address, token common.Address, claims []Claim) ([]byte, error) {
	return channels.abi.Pack("claim", payee, token, claims)
}

// UnpackClaim is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x69f6336b.
//
// Solidity: function claim(address payee, address token, (address,address,address,uint32,uint64,(uint96,(bytes32,bytes32)))[] claims) returns(uint256 paid)
func (channels *Channels) UnpackClaim(data []byte) (*big.Int, error) {
	out, err := channels.abi.Unpack("claim", data)
	if err != nil {
		return new(big.Int), err
	}
	out0 := abi.ConvertType(out[0], new(big.Int)).(*big.Int)
	return out0, nil
}

// PackDeposit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x7bb4ca63.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function deposit((address,address,address,address,address,uint32,uint64) key, uint96 amount) returns()
func (channels *Channels) PackDeposit(key Key, amount *big.Int) []byte {
	enc, err := channels.abi.Pack("deposit", key, amount)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDeposit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x7bb4ca63.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function deposit((address,address,address,address,address,uint32,uint64) key, uint96 amount) returns()
func (channels *Channels) TryPackDeposit(key Key, amount *big.Int) ([]byte, error) {
	return channels.abi.Pack("deposit", key, amount)
}

// PackDepositMany is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x374ce0e5.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function depositMany(((address,address,address,address,address,uint32,uint64),uint96)[] deposits) returns()
func (channels *Channels) PackDepositMany(deposits []Deposit) []byte {
	enc, err := channels.abi.Pack("depositMany", deposits)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDepositMany is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x374ce0e5.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function depositMany(((address,address,address,address,address,uint32,uint64),uint96)[] deposits) returns()
func (channels *Channels) TryPackDepositMany(deposits []Deposit) ([]byte, error) {
	return channels.abi.Pack("depositMany", deposits)
}

// PackDepositWithPermit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4d90f55c.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function depositWithPermit((address,address,address,address,address,uint32,uint64) key, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) returns()
func (channels *Channels) PackDepositWithPermit(key Key, amount *big.Int, deadline *big.Int, v uint8, r [32]byte, s [32]byte) []byte {
	enc, err := channels.abi.Pack("depositWithPermit", key, amount, deadline, v, r, s)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDepositWithPermit is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x4d90f55c.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function depositWithPermit((address,address,address,address,address,uint32,uint64) key, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) returns()
func (channels *Channels) TryPackDepositWithPermit(key Key, amount *big.Int, deadline *big.Int, v uint8, r [32]byte, s [32]byte) ([]byte, error) {
	return channels.abi.Pack("depositWithPermit", key, amount, deadline, v, r, s)
}

// PackDomainSeparator is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf698da25.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (channels *Channels) PackDomainSeparator() []byte {
	enc, err := channels.abi.Pack("domainSeparator")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackDomainSeparator is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xf698da25.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (channels *Channels) TryPackDomainSeparator() ([]byte, error) {
	return channels.abi.Pack("domainSeparator")
}

// UnpackDomainSeparator is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xf698da25.
//
// Solidity: function domainSeparator() view returns(bytes32)
func (channels *Channels) UnpackDomainSeparator(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("domainSeparator", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackEip712Domain is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x84b0196e.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function eip712Domain() view returns(bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)
func (channels *Channels) PackEip712Domain() []byte {
	enc, err := channels.abi.Pack("eip712Domain")
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackEip712Domain is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x84b0196e.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function eip712Domain() view returns(bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)
func (channels *Channels) TryPackEip712Domain() ([]byte, error) {
	return channels.abi.Pack("eip712Domain")
}

// Eip712DomainOutput serves as a container for the return parameters of contract
// method Eip712Domain.
type Eip712DomainOutput struct {
	Fields            [1]byte
	Name              string
	Version           string
	ChainId           *big.Int
	VerifyingContract common.Address
	Salt              [32]byte
	Extensions        []*big.Int
}

// UnpackEip712Domain is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x84b0196e.
//
// Solidity: function eip712Domain() view returns(bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)
func (channels *Channels) UnpackEip712Domain(data []byte) (Eip712DomainOutput, error) {
	out, err := channels.abi.Unpack("eip712Domain", data)
	outstruct := new(Eip712DomainOutput)
	if err != nil {
		return *outstruct, err
	}
	outstruct.Fields = *abi.ConvertType(out[0], new([1]byte)).(*[1]byte)
	outstruct.Name = *abi.ConvertType(out[1], new(string)).(*string)
	outstruct.Version = *abi.ConvertType(out[2], new(string)).(*string)
	outstruct.ChainId = abi.ConvertType(out[3], new(big.Int)).(*big.Int)
	outstruct.VerifyingContract = *abi.ConvertType(out[4], new(common.Address)).(*common.Address)
	outstruct.Salt = *abi.ConvertType(out[5], new([32]byte)).(*[32]byte)
	outstruct.Extensions = *abi.ConvertType(out[6], new([]*big.Int)).(*[]*big.Int)
	return *outstruct, nil
}

// PackSettle is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe013b42a.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function settle((address,address,address,address,address,uint32,uint64) key, uint96 amount, uint40 deadline, (bytes32,bytes32) payeeSignature, (uint96,(bytes32,bytes32)) voucher) returns()
func (channels *Channels) PackSettle(key Key, amount *big.Int, deadline *big.Int, payeeSignature Signature, voucher Voucher) []byte {
	enc, err := channels.abi.Pack("settle", key, amount, deadline, payeeSignature, voucher)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackSettle is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xe013b42a.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function settle((address,address,address,address,address,uint32,uint64) key, uint96 amount, uint40 deadline, (bytes32,bytes32) payeeSignature, (uint96,(bytes32,bytes32)) voucher) returns()
func (channels *Channels) TryPackSettle(key Key, amount *big.Int, deadline *big.Int, payeeSignature Signature, voucher Voucher) ([]byte, error) {
	return channels.abi.Pack("settle", key, amount, deadline, payeeSignature, voucher)
}

// PackSettlementDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xff756469.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function settlementDigest(bytes32 id, uint96 amount, uint40 deadline) view returns(bytes32)
func (channels *Channels) PackSettlementDigest(id [32]byte, amount *big.Int, deadline *big.Int) []byte {
	enc, err := channels.abi.Pack("settlementDigest", id, amount, deadline)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackSettlementDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0xff756469.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function settlementDigest(bytes32 id, uint96 amount, uint40 deadline) view returns(bytes32)
func (channels *Channels) TryPackSettlementDigest(id [32]byte, amount *big.Int, deadline *big.Int) ([]byte, error) {
	return channels.abi.Pack("settlementDigest", id, amount, deadline)
}

// UnpackSettlementDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0xff756469.
//
// Solidity: function settlementDigest(bytes32 id, uint96 amount, uint40 deadline) view returns(bytes32)
func (channels *Channels) UnpackSettlementDigest(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("settlementDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackStartClose is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1bc45733.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function startClose((address,address,address,address,address,uint32,uint64) key) returns()
func (channels *Channels) PackStartClose(key Key) []byte {
	enc, err := channels.abi.Pack("startClose", key)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackStartClose is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1bc45733.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function startClose((address,address,address,address,address,uint32,uint64) key) returns()
func (channels *Channels) TryPackStartClose(key Key) ([]byte, error) {
	return channels.abi.Pack("startClose", key)
}

// PackVoucherDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x90a812ad.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function voucherDigest(bytes32 id, uint96 cumulative) view returns(bytes32)
func (channels *Channels) PackVoucherDigest(id [32]byte, cumulative *big.Int) []byte {
	enc, err := channels.abi.Pack("voucherDigest", id, cumulative)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackVoucherDigest is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x90a812ad.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function voucherDigest(bytes32 id, uint96 cumulative) view returns(bytes32)
func (channels *Channels) TryPackVoucherDigest(id [32]byte, cumulative *big.Int) ([]byte, error) {
	return channels.abi.Pack("voucherDigest", id, cumulative)
}

// UnpackVoucherDigest is the Go binding that unpacks the parameters returned
// from invoking the contract method with ID 0x90a812ad.
//
// Solidity: function voucherDigest(bytes32 id, uint96 cumulative) view returns(bytes32)
func (channels *Channels) UnpackVoucherDigest(data []byte) ([32]byte, error) {
	out, err := channels.abi.Unpack("voucherDigest", data)
	if err != nil {
		return *new([32]byte), err
	}
	out0 := *abi.ConvertType(out[0], new([32]byte)).(*[32]byte)
	return out0, nil
}

// PackWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1b08c165.  This method will panic if any
// invalid/nil inputs are passed.
//
// Solidity: function withdraw((address,address,address,address,address,uint32,uint64) key) returns()
func (channels *Channels) PackWithdraw(key Key) []byte {
	enc, err := channels.abi.Pack("withdraw", key)
	if err != nil {
		panic(err)
	}
	return enc
}

// TryPackWithdraw is the Go binding used to pack the parameters required for calling
// the contract method with ID 0x1b08c165.  This method will return an error
// if any inputs are invalid/nil.
//
// Solidity: function withdraw((address,address,address,address,address,uint32,uint64) key) returns()
func (channels *Channels) TryPackWithdraw(key Key) ([]byte, error) {
	return channels.abi.Pack("withdraw", key)
}

// ChannelsChannelClosed represents a ChannelClosed event raised by the Channels contract.
type ChannelsChannelClosed struct {
	Id       [32]byte
	Claimed  *big.Int
	Returned *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const ChannelsChannelClosedEventName = "ChannelClosed"

// ContractEventName returns the user-defined event name.
func (ChannelsChannelClosed) ContractEventName() string {
	return ChannelsChannelClosedEventName
}

// UnpackChannelClosedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ChannelClosed(bytes32 indexed id, uint96 claimed, uint96 returned)
func (channels *Channels) UnpackChannelClosedEvent(log *types.Log) (*ChannelsChannelClosed, error) {
	event := "ChannelClosed"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsChannelClosed)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsChannelClosing represents a ChannelClosing event raised by the Channels contract.
type ChannelsChannelClosing struct {
	Id       [32]byte
	ClosesAt *big.Int
	Raw      *types.Log // Blockchain specific contextual infos
}

const ChannelsChannelClosingEventName = "ChannelClosing"

// ContractEventName returns the user-defined event name.
func (ChannelsChannelClosing) ContractEventName() string {
	return ChannelsChannelClosingEventName
}

// UnpackChannelClosingEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ChannelClosing(bytes32 indexed id, uint40 closesAt)
func (channels *Channels) UnpackChannelClosingEvent(log *types.Log) (*ChannelsChannelClosing, error) {
	event := "ChannelClosing"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsChannelClosing)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsChannelOpened represents a ChannelOpened event raised by the Channels contract.
type ChannelsChannelOpened struct {
	Id          [32]byte
	Payer       common.Address
	Payee       common.Address
	PayerSigner common.Address
	PayeeSigner common.Address
	Token       common.Address
	CloseDelay  uint32
	Salt        uint64
	Deposited   *big.Int
	Raw         *types.Log // Blockchain specific contextual infos
}

const ChannelsChannelOpenedEventName = "ChannelOpened"

// ContractEventName returns the user-defined event name.
func (ChannelsChannelOpened) ContractEventName() string {
	return ChannelsChannelOpenedEventName
}

// UnpackChannelOpenedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event ChannelOpened(bytes32 indexed id, address indexed payer, address indexed payee, address payerSigner, address payeeSigner, address token, uint32 closeDelay, uint64 salt, uint96 deposited)
func (channels *Channels) UnpackChannelOpenedEvent(log *types.Log) (*ChannelsChannelOpened, error) {
	event := "ChannelOpened"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsChannelOpened)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsClaimed represents a Claimed event raised by the Channels contract.
type ChannelsClaimed struct {
	Id      [32]byte
	Claimed *big.Int
	Raw     *types.Log // Blockchain specific contextual infos
}

const ChannelsClaimedEventName = "Claimed"

// ContractEventName returns the user-defined event name.
func (ChannelsClaimed) ContractEventName() string {
	return ChannelsClaimedEventName
}

// UnpackClaimedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Claimed(bytes32 indexed id, uint96 claimed)
func (channels *Channels) UnpackClaimedEvent(log *types.Log) (*ChannelsClaimed, error) {
	event := "Claimed"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsClaimed)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsDeposited represents a Deposited event raised by the Channels contract.
type ChannelsDeposited struct {
	Id        [32]byte
	Deposited *big.Int
	Raw       *types.Log // Blockchain specific contextual infos
}

const ChannelsDepositedEventName = "Deposited"

// ContractEventName returns the user-defined event name.
func (ChannelsDeposited) ContractEventName() string {
	return ChannelsDepositedEventName
}

// UnpackDepositedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event Deposited(bytes32 indexed id, uint96 deposited)
func (channels *Channels) UnpackDepositedEvent(log *types.Log) (*ChannelsDeposited, error) {
	event := "Deposited"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsDeposited)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// ChannelsEIP712DomainChanged represents a EIP712DomainChanged event raised by the Channels contract.
type ChannelsEIP712DomainChanged struct {
	Raw *types.Log // Blockchain specific contextual infos
}

const ChannelsEIP712DomainChangedEventName = "EIP712DomainChanged"

// ContractEventName returns the user-defined event name.
func (ChannelsEIP712DomainChanged) ContractEventName() string {
	return ChannelsEIP712DomainChangedEventName
}

// UnpackEIP712DomainChangedEvent is the Go binding that unpacks the event data emitted
// by contract.
//
// Solidity: event EIP712DomainChanged()
func (channels *Channels) UnpackEIP712DomainChangedEvent(log *types.Log) (*ChannelsEIP712DomainChanged, error) {
	event := "EIP712DomainChanged"
	if len(log.Topics) == 0 {
		return nil, bind.ErrNoEventSignature
	}
	if log.Topics[0] != channels.abi.Events[event].ID {
		return nil, bind.ErrEventSignatureMismatch
	}
	out := new(ChannelsEIP712DomainChanged)
	if len(log.Data) > 0 {
		if err := channels.abi.UnpackIntoInterface(out, event, log.Data); err != nil {
			return nil, err
		}
	}
	var indexed abi.Arguments
	for _, arg := range channels.abi.Events[event].Inputs {
		if arg.Indexed {
			indexed = append(indexed, arg)
		}
	}
	if err := abi.ParseTopics(out, indexed, log.Topics[1:]); err != nil {
		return nil, err
	}
	out.Raw = log
	return out, nil
}

// UnpackError attempts to decode the provided error data using user-defined
// error definitions.
func (channels *Channels) UnpackError(raw []byte) (any, error) {
	if bytes.Equal(raw[:4], channels.abi.Errors["BadSettlement"].ID.Bytes()[:4]) {
		return channels.UnpackBadSettlementError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["BadVoucher"].ID.Bytes()[:4]) {
		return channels.UnpackBadVoucherError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ChannelIsClosed"].ID.Bytes()[:4]) {
		return channels.UnpackChannelIsClosedError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ChannelIsClosing"].ID.Bytes()[:4]) {
		return channels.UnpackChannelIsClosingError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ChannelIsNotClosing"].ID.Bytes()[:4]) {
		return channels.UnpackChannelIsNotClosingError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ChannelIsUnknown"].ID.Bytes()[:4]) {
		return channels.UnpackChannelIsUnknownError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["CloseDelayRunning"].ID.Bytes()[:4]) {
		return channels.UnpackCloseDelayRunningError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidCloseDelay"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidCloseDelayError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidParty"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidPartyError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["InvalidShortString"].ID.Bytes()[:4]) {
		return channels.UnpackInvalidShortStringError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NotAToken"].ID.Bytes()[:4]) {
		return channels.UnpackNotATokenError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["NotPayer"].ID.Bytes()[:4]) {
		return channels.UnpackNotPayerError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ReentrancyGuardReentrantCall"].ID.Bytes()[:4]) {
		return channels.UnpackReentrancyGuardReentrantCallError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["SafeERC20FailedOperation"].ID.Bytes()[:4]) {
		return channels.UnpackSafeERC20FailedOperationError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["SameParties"].ID.Bytes()[:4]) {
		return channels.UnpackSamePartiesError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["SettlementExpired"].ID.Bytes()[:4]) {
		return channels.UnpackSettlementExpiredError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["StringTooLong"].ID.Bytes()[:4]) {
		return channels.UnpackStringTooLongError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["VoucherTooLow"].ID.Bytes()[:4]) {
		return channels.UnpackVoucherTooLowError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["WrongAmountReceived"].ID.Bytes()[:4]) {
		return channels.UnpackWrongAmountReceivedError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ZeroAmount"].ID.Bytes()[:4]) {
		return channels.UnpackZeroAmountError(raw[4:])
	}
	if bytes.Equal(raw[:4], channels.abi.Errors["ZeroSigner"].ID.Bytes()[:4]) {
		return channels.UnpackZeroSignerError(raw[4:])
	}
	return nil, errors.New("Unknown error")
}

// ChannelsBadSettlement represents a BadSettlement error raised by the Channels contract.
type ChannelsBadSettlement struct {
	Id [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error BadSettlement(bytes32 id)
func ChannelsBadSettlementErrorID() common.Hash {
	return common.HexToHash("0x0d3cd329994749423ac14c60d3492ac34436f23d5ebcf82c97fa3e12d5e5eb57")
}

// UnpackBadSettlementError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error BadSettlement(bytes32 id)
func (channels *Channels) UnpackBadSettlementError(raw []byte) (*ChannelsBadSettlement, error) {
	out := new(ChannelsBadSettlement)
	if err := channels.abi.UnpackIntoInterface(out, "BadSettlement", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsBadVoucher represents a BadVoucher error raised by the Channels contract.
type ChannelsBadVoucher struct {
	Id    [32]byte
	Index *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error BadVoucher(bytes32 id, uint256 index)
func ChannelsBadVoucherErrorID() common.Hash {
	return common.HexToHash("0x402b942fabe735756b0621d3376fd6dfe33cb43c8bd181d21b81605f92582443")
}

// UnpackBadVoucherError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error BadVoucher(bytes32 id, uint256 index)
func (channels *Channels) UnpackBadVoucherError(raw []byte) (*ChannelsBadVoucher, error) {
	out := new(ChannelsBadVoucher)
	if err := channels.abi.UnpackIntoInterface(out, "BadVoucher", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsChannelIsClosed represents a ChannelIsClosed error raised by the Channels contract.
type ChannelsChannelIsClosed struct {
	Id [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ChannelIsClosed(bytes32 id)
func ChannelsChannelIsClosedErrorID() common.Hash {
	return common.HexToHash("0xb58982bc4d582de27bbc61a037f66039a0197316dcf591dfe7edec5ede228049")
}

// UnpackChannelIsClosedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ChannelIsClosed(bytes32 id)
func (channels *Channels) UnpackChannelIsClosedError(raw []byte) (*ChannelsChannelIsClosed, error) {
	out := new(ChannelsChannelIsClosed)
	if err := channels.abi.UnpackIntoInterface(out, "ChannelIsClosed", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsChannelIsClosing represents a ChannelIsClosing error raised by the Channels contract.
type ChannelsChannelIsClosing struct {
	Id       [32]byte
	ClosesAt *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ChannelIsClosing(bytes32 id, uint40 closesAt)
func ChannelsChannelIsClosingErrorID() common.Hash {
	return common.HexToHash("0xa58fa26d6bb9a35d37a2e74da262cf83cfdc147fc2d255e05146ea8e90eec2bd")
}

// UnpackChannelIsClosingError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ChannelIsClosing(bytes32 id, uint40 closesAt)
func (channels *Channels) UnpackChannelIsClosingError(raw []byte) (*ChannelsChannelIsClosing, error) {
	out := new(ChannelsChannelIsClosing)
	if err := channels.abi.UnpackIntoInterface(out, "ChannelIsClosing", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsChannelIsNotClosing represents a ChannelIsNotClosing error raised by the Channels contract.
type ChannelsChannelIsNotClosing struct {
	Id [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ChannelIsNotClosing(bytes32 id)
func ChannelsChannelIsNotClosingErrorID() common.Hash {
	return common.HexToHash("0xa314cdb6ac2beb254a9b7877ff6e88888caec5c5acad3e783a93d732845f7516")
}

// UnpackChannelIsNotClosingError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ChannelIsNotClosing(bytes32 id)
func (channels *Channels) UnpackChannelIsNotClosingError(raw []byte) (*ChannelsChannelIsNotClosing, error) {
	out := new(ChannelsChannelIsNotClosing)
	if err := channels.abi.UnpackIntoInterface(out, "ChannelIsNotClosing", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsChannelIsUnknown represents a ChannelIsUnknown error raised by the Channels contract.
type ChannelsChannelIsUnknown struct {
	Id [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ChannelIsUnknown(bytes32 id)
func ChannelsChannelIsUnknownErrorID() common.Hash {
	return common.HexToHash("0x29a59df685a77dfc24d88f78eb9fad2e3ac32632753babe55186c3e70314038b")
}

// UnpackChannelIsUnknownError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ChannelIsUnknown(bytes32 id)
func (channels *Channels) UnpackChannelIsUnknownError(raw []byte) (*ChannelsChannelIsUnknown, error) {
	out := new(ChannelsChannelIsUnknown)
	if err := channels.abi.UnpackIntoInterface(out, "ChannelIsUnknown", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsCloseDelayRunning represents a CloseDelayRunning error raised by the Channels contract.
type ChannelsCloseDelayRunning struct {
	Id       [32]byte
	ClosesAt *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error CloseDelayRunning(bytes32 id, uint40 closesAt)
func ChannelsCloseDelayRunningErrorID() common.Hash {
	return common.HexToHash("0xaac35c8f14310138ecc75c0d77c9a112b91f9dca3ae193dca406d772dfd94b57")
}

// UnpackCloseDelayRunningError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error CloseDelayRunning(bytes32 id, uint40 closesAt)
func (channels *Channels) UnpackCloseDelayRunningError(raw []byte) (*ChannelsCloseDelayRunning, error) {
	out := new(ChannelsCloseDelayRunning)
	if err := channels.abi.UnpackIntoInterface(out, "CloseDelayRunning", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInvalidCloseDelay represents a InvalidCloseDelay error raised by the Channels contract.
type ChannelsInvalidCloseDelay struct {
	Actual uint32
	Min    uint32
	Max    uint32
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidCloseDelay(uint32 actual, uint32 min, uint32 max)
func ChannelsInvalidCloseDelayErrorID() common.Hash {
	return common.HexToHash("0x183a3247ec82b5bdd0441cc89ff07f7cc4184defc9e89fbac1eb21d42e440c5d")
}

// UnpackInvalidCloseDelayError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidCloseDelay(uint32 actual, uint32 min, uint32 max)
func (channels *Channels) UnpackInvalidCloseDelayError(raw []byte) (*ChannelsInvalidCloseDelay, error) {
	out := new(ChannelsInvalidCloseDelay)
	if err := channels.abi.UnpackIntoInterface(out, "InvalidCloseDelay", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInvalidParty represents a InvalidParty error raised by the Channels contract.
type ChannelsInvalidParty struct {
	Party common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidParty(address party)
func ChannelsInvalidPartyErrorID() common.Hash {
	return common.HexToHash("0x1d13fd16cb9c85ac99d8f8a3f126aec401710c59c9f89546d90e26d7943cdb3d")
}

// UnpackInvalidPartyError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidParty(address party)
func (channels *Channels) UnpackInvalidPartyError(raw []byte) (*ChannelsInvalidParty, error) {
	out := new(ChannelsInvalidParty)
	if err := channels.abi.UnpackIntoInterface(out, "InvalidParty", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsInvalidShortString represents a InvalidShortString error raised by the Channels contract.
type ChannelsInvalidShortString struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error InvalidShortString()
func ChannelsInvalidShortStringErrorID() common.Hash {
	return common.HexToHash("0xb3512b0c6163e5f0bafab72bb631b9d58cd7a731b082f910338aa21c83d5c274")
}

// UnpackInvalidShortStringError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error InvalidShortString()
func (channels *Channels) UnpackInvalidShortStringError(raw []byte) (*ChannelsInvalidShortString, error) {
	out := new(ChannelsInvalidShortString)
	if err := channels.abi.UnpackIntoInterface(out, "InvalidShortString", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsNotAToken represents a NotAToken error raised by the Channels contract.
type ChannelsNotAToken struct {
	Token common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NotAToken(address token)
func ChannelsNotATokenErrorID() common.Hash {
	return common.HexToHash("0xf0ae59ab2305e450b7994c131d4d487b62eef4fac72f3b690bc790b01afd51f5")
}

// UnpackNotATokenError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NotAToken(address token)
func (channels *Channels) UnpackNotATokenError(raw []byte) (*ChannelsNotAToken, error) {
	out := new(ChannelsNotAToken)
	if err := channels.abi.UnpackIntoInterface(out, "NotAToken", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsNotPayer represents a NotPayer error raised by the Channels contract.
type ChannelsNotPayer struct {
	Caller common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error NotPayer(address caller)
func ChannelsNotPayerErrorID() common.Hash {
	return common.HexToHash("0x11a4cac08b1780339e8befb8d45ba18b332e8a9427e2478c926341cb75b1ebde")
}

// UnpackNotPayerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error NotPayer(address caller)
func (channels *Channels) UnpackNotPayerError(raw []byte) (*ChannelsNotPayer, error) {
	out := new(ChannelsNotPayer)
	if err := channels.abi.UnpackIntoInterface(out, "NotPayer", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsReentrancyGuardReentrantCall represents a ReentrancyGuardReentrantCall error raised by the Channels contract.
type ChannelsReentrancyGuardReentrantCall struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ReentrancyGuardReentrantCall()
func ChannelsReentrancyGuardReentrantCallErrorID() common.Hash {
	return common.HexToHash("0x3ee5aeb571de7fc460830b4d0017439a1ca56fb0bc39062227ade4fe4a24c1ca")
}

// UnpackReentrancyGuardReentrantCallError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ReentrancyGuardReentrantCall()
func (channels *Channels) UnpackReentrancyGuardReentrantCallError(raw []byte) (*ChannelsReentrancyGuardReentrantCall, error) {
	out := new(ChannelsReentrancyGuardReentrantCall)
	if err := channels.abi.UnpackIntoInterface(out, "ReentrancyGuardReentrantCall", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsSafeERC20FailedOperation represents a SafeERC20FailedOperation error raised by the Channels contract.
type ChannelsSafeERC20FailedOperation struct {
	Token common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SafeERC20FailedOperation(address token)
func ChannelsSafeERC20FailedOperationErrorID() common.Hash {
	return common.HexToHash("0x5274afe73c98b4749fc91ffae6b7b574e7842cb2144a159e9377a5f20b32edf9")
}

// UnpackSafeERC20FailedOperationError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SafeERC20FailedOperation(address token)
func (channels *Channels) UnpackSafeERC20FailedOperationError(raw []byte) (*ChannelsSafeERC20FailedOperation, error) {
	out := new(ChannelsSafeERC20FailedOperation)
	if err := channels.abi.UnpackIntoInterface(out, "SafeERC20FailedOperation", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsSameParties represents a SameParties error raised by the Channels contract.
type ChannelsSameParties struct {
	Party common.Address
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SameParties(address party)
func ChannelsSamePartiesErrorID() common.Hash {
	return common.HexToHash("0xa8bae024158fd989589153003e55ed5701e98be82f17b1c18e46b4ee6fb316d0")
}

// UnpackSamePartiesError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SameParties(address party)
func (channels *Channels) UnpackSamePartiesError(raw []byte) (*ChannelsSameParties, error) {
	out := new(ChannelsSameParties)
	if err := channels.abi.UnpackIntoInterface(out, "SameParties", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsSettlementExpired represents a SettlementExpired error raised by the Channels contract.
type ChannelsSettlementExpired struct {
	Id       [32]byte
	Deadline *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error SettlementExpired(bytes32 id, uint40 deadline)
func ChannelsSettlementExpiredErrorID() common.Hash {
	return common.HexToHash("0xc2e52be9d7071499b89b37a4f6fb608c406fef96a3ef07742ca9fdbe4c9e076f")
}

// UnpackSettlementExpiredError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error SettlementExpired(bytes32 id, uint40 deadline)
func (channels *Channels) UnpackSettlementExpiredError(raw []byte) (*ChannelsSettlementExpired, error) {
	out := new(ChannelsSettlementExpired)
	if err := channels.abi.UnpackIntoInterface(out, "SettlementExpired", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsStringTooLong represents a StringTooLong error raised by the Channels contract.
type ChannelsStringTooLong struct {
	Str string
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error StringTooLong(string str)
func ChannelsStringTooLongErrorID() common.Hash {
	return common.HexToHash("0x305a27a93f8e33b7392df0a0f91d6fc63847395853c45991eec52dbf24d72381")
}

// UnpackStringTooLongError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error StringTooLong(string str)
func (channels *Channels) UnpackStringTooLongError(raw []byte) (*ChannelsStringTooLong, error) {
	out := new(ChannelsStringTooLong)
	if err := channels.abi.UnpackIntoInterface(out, "StringTooLong", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsVoucherTooLow represents a VoucherTooLow error raised by the Channels contract.
type ChannelsVoucherTooLow struct {
	Id         [32]byte
	Cumulative *big.Int
	Required   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error VoucherTooLow(bytes32 id, uint96 cumulative, uint96 required)
func ChannelsVoucherTooLowErrorID() common.Hash {
	return common.HexToHash("0xc8e27c7a3a09331dde2f1108b0e3b650ff5e9048e4e210361bddcdd0c12ba4c8")
}

// UnpackVoucherTooLowError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error VoucherTooLow(bytes32 id, uint96 cumulative, uint96 required)
func (channels *Channels) UnpackVoucherTooLowError(raw []byte) (*ChannelsVoucherTooLow, error) {
	out := new(ChannelsVoucherTooLow)
	if err := channels.abi.UnpackIntoInterface(out, "VoucherTooLow", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsWrongAmountReceived represents a WrongAmountReceived error raised by the Channels contract.
type ChannelsWrongAmountReceived struct {
	Token           common.Address
	ExpectedBalance *big.Int
	ActualBalance   *big.Int
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error WrongAmountReceived(address token, uint256 expectedBalance, uint256 actualBalance)
func ChannelsWrongAmountReceivedErrorID() common.Hash {
	return common.HexToHash("0xb013264ca2072c17d595b714a963ba5eee2b708d8d1c11bcfc3e4db7d758bbd7")
}

// UnpackWrongAmountReceivedError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error WrongAmountReceived(address token, uint256 expectedBalance, uint256 actualBalance)
func (channels *Channels) UnpackWrongAmountReceivedError(raw []byte) (*ChannelsWrongAmountReceived, error) {
	out := new(ChannelsWrongAmountReceived)
	if err := channels.abi.UnpackIntoInterface(out, "WrongAmountReceived", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsZeroAmount represents a ZeroAmount error raised by the Channels contract.
type ChannelsZeroAmount struct {
	Id [32]byte
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroAmount(bytes32 id)
func ChannelsZeroAmountErrorID() common.Hash {
	return common.HexToHash("0x018026717ca585487f22752caf5dd792edd90b3d3f4a4468cbc8c4ae89c1e097")
}

// UnpackZeroAmountError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroAmount(bytes32 id)
func (channels *Channels) UnpackZeroAmountError(raw []byte) (*ChannelsZeroAmount, error) {
	out := new(ChannelsZeroAmount)
	if err := channels.abi.UnpackIntoInterface(out, "ZeroAmount", raw); err != nil {
		return nil, err
	}
	return out, nil
}

// ChannelsZeroSigner represents a ZeroSigner error raised by the Channels contract.
type ChannelsZeroSigner struct {
}

// ErrorID returns the hash of canonical representation of the error's signature.
//
// Solidity: error ZeroSigner()
func ChannelsZeroSignerErrorID() common.Hash {
	return common.HexToHash("0xe5c48ac578e050f5a863729c359600666b17bce09ec64f88719c5ce6fc799f6a")
}

// UnpackZeroSignerError is the Go binding used to decode the provided
// error data into the corresponding Go error struct.
//
// Solidity: error ZeroSigner()
func (channels *Channels) UnpackZeroSignerError(raw []byte) (*ChannelsZeroSigner, error) {
	out := new(ChannelsZeroSigner)
	if err := channels.abi.UnpackIntoInterface(out, "ZeroSigner", raw); err != nil {
		return nil, err
	}
	return out, nil
}
