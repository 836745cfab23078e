#!/bin/sh
# Compiles the contracts and writes their Go bindings, bytecode included. The same sources give the same bytes:
# the compiler and the libraries are pinned by package-lock.json, abigen by go.mod.
set -eu
cd "$(dirname "$0")"

[ -d node_modules ] || npm ci
./forge.js build --force src

# bind CONTRACT ALIASES: writes the Go file named after the contract.
bind() {
	artifact="out/$1.sol/$1.json"
	file="$(echo "$1" | tr '[:upper:]' '[:lower:]').go"
	node -p "JSON.stringify(require('./$artifact').abi)" >"out/$1.abi"
	node -p "require('./$artifact').bytecode.object" >"out/$1.bin"
	go run github.com/ethereum/go-ethereum/cmd/abigen --v2 --pkg contracts --type "$1" --alias "$2" \
		--abi "out/$1.abi" --bin "out/$1.bin" --out "$file"
	chmod 644 "$file"
}

bind Channels MIN_CLOSE_DELAY=minCloseDelay,MAX_CLOSE_DELAY=maxCloseDelay,VOUCHER_TYPEHASH=voucherTypehash,SETTLEMENT_TYPEHASH=settlementTypehash
# eip712Domain gets another name because abigen would declare its result type once for each contract.
bind DevToken eip712Domain=devTokenDomain,DOMAIN_SEPARATOR=domainSeparator,FAUCET_CAP=faucetCap
