package chain

// What the tests measure against the real contracts.
const (
	BatchBase     = batchBase
	ClaimEach     = claimEach
	DepositEach   = depositEach
	ClaimsPerTx   = claimsPerTx
	DepositsPerTx = depositsPerTx
)
