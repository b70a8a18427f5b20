package host

import (
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/wasmill/wasmill/runtime/fault"
)

// PageSum says what the bytes of a page are: the first half of their SHA-256.
type PageSum [16]byte

func sumOf(page []byte) PageSum {
	sum := sha256.Sum256(page)
	return PageSum(sum[:16])
}

// PagePlace is where the bytes of a page lie: at an offset of a run, or of what lends to
// it. What the number of a lender means is up to who stores runs.
type PagePlace struct {
	Lender uint32
	Offset int64
}

// PagePlaces knows where pages lie already, so that they are not stored again.
type PagePlaces interface {
	// Place tells where the bytes of a page lie. If lent is false, they are stored in the
	// run that is being written, at offset.
	Place(sum PageSum, offset int64) (at PagePlace, lent bool)
}

// Lenders opens what lends pages to a run. The text of a lender names it in errors.
type Lenders func(lender uint32) (Lender, error)

// Lender has pages of other runs.
type Lender interface {
	io.ReaderAt
	fmt.Stringer
}

// lentPage is a page of a run whose bytes lie elsewhere.
type lentPage struct {
	sum PageSum
	at  PagePlace
}

// fetch reads a lent page. Other bytes than those that were lent are a corruption.
func (p *lentPage) fetch(to []byte, from Lenders) error {
	if from == nil {
		return fault.Corruptf("read heap: nobody lends its pages")
	}
	lender, err := from(p.at.Lender)
	if err != nil {
		return fmt.Errorf("read heap: %w", err)
	}
	if _, err := lender.ReadAt(to, p.at.Offset); err != nil {
		return fmt.Errorf("read heap: fetch a lent page: %w", err)
	}
	if sumOf(to) != p.sum {
		return fault.Corruptf("read heap: page at %d of %s is another than was lent", p.at.Offset, lender)
	}
	return nil
}
