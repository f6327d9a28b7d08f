// How often the page drew what. Tests and benchmarks read it; the page itself doesn't.
//
// newPlot: plots made; react: plots drawn anew; extend: plots lengthened; drawn: messages shown.

export const counters = {newPlot: 0, react: 0, extend: 0, drawn: 0};
