// Package pay owns the books of a channel, one for each of its ends: what was
// signed, what is owed, what each live lease may still use, and when the payee
// should claim.
//
// The books are pure. Payee keeps, at every moment and for every channel,
//
//	finished + sum of grants <= min(voucher, funded)
//	grant <= what the payer promised to that lease
//
// so that no lease runs on credit that is not there or that another lease has, and
// an honest payer books each lease with what its payee books;
// Payer signs at most
//
//	sum over finished leases of min(due, own bound) + sum over live leases of own bound
//
// where a live lease's own bound is its start fee, the time seen running by the
// payer's own clock, and two slices. Tests hold both against thousands of random
// histories.
package pay
