package tck

// stateScripts are what keys are told, and below each line what comes of it.
var stateScripts = []struct{ name, script string }{
	{"values", `
a: value get | a: value set 1 | a: value get | b: value get
  a: -
  a: 1
  b: -
b: value set 2 | a: value set 10 | a: value set 100 | b: value clear | b: value get
  b: -
a: value get | b: value get | a: value set longer-than-before | a: value get
  a: 100
  b: -
  a: longer-than-before
a: value set x | a: value clear | a: value set  | a: value get
  a: 
a: value get
  a: 
`},
	{"maps are in order of their subkeys", `
a: map set c 3 | a: map set a 1 | a: map set b 2 | b: map set a other | a: map all
  a: a=1
  a: b=2
  a: c=3
a: map remove b | a: map set  empty | a: map set aa 4 | a: map all | a: map get b | a: map get aa
  a: =empty
  a: a=1
  a: aa=4
  a: c=3
  a: -
  a: 4
a: map set a new | a: map clear | a: map set z 26 | a: map all | a: map get c
  a: z=26
  a: -
a: map all | b: map all | c: map all
  a: z=26
  b: a=other
a: map set z 27 | a: map clear
a: map all
`},
	{"maps larger than a page", `
a: map fill 3000 100 | a: map size
  a: 3000 300000
a: map size | b: map size
  a: 3000 300000
  b: 0 0
a: map fill 300 3000 | a: map size
  a: 3000 1170000
a: map clear | a: map size
  a: 0 0
`},
	{"lists", `
a: list add 1 | b: list add x | a: list add 2 | a: list all
  a: 1
  a: 2
a: list add 3 | a: list all | b: list all | c: list all
  a: 1
  a: 2
  a: 3
  b: x
a: list clear | a: list add 4 | a: list all | a: list add  | a: list all
  a: 4
  a: 4
  a: 
`},
	{"an entry that was not written for its ttl is gone", `
a: brief set 1 | b: brief set 2
clock 1800000
a: brief set 3
clock 3599999
a: brief get | b: brief get
  a: 3
  b: 2
clock 3600001
a: brief get | b: brief get
  a: 3
  b: -
clock 5400001
a: brief get | a: brief set 4 | a: brief get
  a: -
  a: 4
`},
	{"tables that are not keyed have the same for all keys", `
a: split set x 1 | b: split set y 2 | b: split all
  b: x=1
  b: y=2
-: union set x 3 | a: union get x | -: union all | a: shared get x
  a: 3
  -: x=3
  a: -
rules -: shared set r on | k: shared all
  k: r=on
a: shared get r | a: shared clear | b: shared get r | b: split get x
  a: on
  b: -
  b: 1
`},
	{"event-time timers, in order", `
a: timer set 0 20 two | a: timer set 0 10 one | b: timer set 0 15 three | a: watermark
  a: -9223372036854775808
W 9
  -: watermark 9
  -: flush
W 15
  a: timer 0 10 one
  b: timer 0 15 three
  -: watermark 15
  -: flush
a: watermark
  a: 15
W inf
  a: timer 0 20 two
  -: watermark 9223372036854775807
  -: flush
  -: flush
  -: end
`},
	{"the same timer twice is once", `
a: timer set 0 10 x | a: timer set 0 10 x | a: timer set 0 10 y | b: timer set 0 10 x | a: timer set 1 10 x
a: timer set 0 10 x | a: timer delete 0 10 y | a: timer delete 0 11 x | b: timer delete 1 10 x
W 10
  a: timer 0 10 x
  b: timer 0 10 x
  -: watermark 10
  -: flush
W 11
  -: watermark 11
  -: flush
`},
	{"a timer's callback sets one that is due, and it comes in its order", `
a: timer set 0 10 timer set 0 15 new | a: timer set 0 20 last
W 30
  a: timer 0 10 timer set 0 15 new
  a: timer 0 15 new
  a: timer 0 20 last
  -: watermark 30
  -: flush
`},
	{"a timer's callback deletes one that is due, and it does not come", `
a: timer set 0 10 timer delete 0 20 gone | a: timer set 0 20 gone | a: timer set 0 30 last
W 30
  a: timer 0 10 timer delete 0 20 gone
  a: timer 0 30 last
  -: watermark 30
  -: flush
`},
	{"timers reach the tables of their key, and the new watermark", `
a: value set 1 | a: timer set 0 10 value get | a: timer set 0 11 value clear | a: timer set 0 12 watermark
b: value set 2 | b: timer set 0 11 value get
W 20
  a: timer 0 10 value get
  a: 1
  b: timer 0 11 value get
  b: 2
  a: timer 0 11 value clear
  a: timer 0 12 watermark
  a: 20
  -: watermark 20
  -: flush
a: value get
  a: -
`},
	{"a timer in the past fires at the next advance", `
W 100
  -: watermark 100
  -: flush
a: timer set 0 5 late
W 101
  a: timer 0 5 late
  -: watermark 101
  -: flush
`},
	{"processing-time timers", `
a: timer set 1 1700000000623 x | b: timer set 1 1700000000500 y | a: timer set 0 1 event
clock 300
clock 499
  b: timer 1 1700000000500 y
clock 600
  a: timer 1 1700000000623 x
W 1
  a: timer 0 1 event
  -: watermark 1
  -: flush
`},
	{"a barrier: flush, then what is cached is written", `
a: cache kept | a: split get cached
  a: -
flush
  -: flush
barrier 7
  -: flush
  -: barrier 7
a: split get cached
  a: kept
`},
}
