package oracle

// Row is a row by the names of its columns.
type Row map[string]any

// Answer gives the rows of a query, in any order; of one that changes its answers those
// that stand in the end. It has none for queries that look at one event alone.
func Answer(query string, e *Events) (rows []Row, ok bool) {
	answer, ok := answers[query]
	if !ok {
		return nil, false
	}
	return answer(e), true
}

// answers are those that there are.
var answers = map[string]func(*Events) []Row{
	"q3": q3, "q4": q4, "q5": q5, "q7": q7, "q8": q8, "q9": q9, "q11": q11, "q12": q12,
	"q15": q15, "q16": q16, "q17": q17, "q18": q18, "q19": q19, "q20": q20,
}
