// Package spirals owns the demo's sweep seen from the requester's side: the
// settings that are tried, what a job says and leaves, and the sheet that is
// drawn of it.
//
// What the jobs leave comes from strangers' machines. It is bounded and checked
// before it is looked at.
package spirals
