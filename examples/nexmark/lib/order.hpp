// order.hpp: which of two bids comes first where the query does not say, for q18 and q19.
// The order in which they arrive would not do: it is another at another parallelism.
#ifndef NEXMARK_ORDER_HPP
#define NEXMARK_ORDER_HPP

#include "nexmark.hpp"

namespace nexmark {

// What tells bids apart of the same time and price: the last bytes of extra, which is text
// at random.
inline uint64_t mark_of(bytes value) { return load64(value.end() - 8); }

// Time, then price, then whatever differs.
struct lateness {
    uint64_t time, price, mark;

    explicit lateness(bytes value) : time(bid(value).date_time()), price(bid(value).price()), mark(mark_of(value)) {}
    bool operator<(const lateness &o) const {
        if (time != o.time) return time < o.time;
        if (price != o.price) return price < o.price;
        return mark < o.mark;
    }
};

// The higher price comes first; of equal ones the earlier bid.
inline bool outbids(bytes a, bytes b) {
    bid x(a), y(b);
    if (x.price() != y.price()) return x.price() > y.price();
    if (x.date_time() != y.date_time()) return x.date_time() < y.date_time();
    return mark_of(a) < mark_of(b);
}

} // namespace nexmark

#endif
