// rank.hpp: bids by day and by band of their prices, for q15, q16 and q17.
#ifndef NEXMARK_RANK_HPP
#define NEXMARK_RANK_HPP

#include "nexmark.hpp"

namespace nexmark {

enum : uint64_t { DAY = 86400000 };

// 0 below 10,000, 1 below 1,000,000, 2 from there on.
inline uint32_t band_of(uint64_t price) { return uint32_t(price >= 10000) + uint32_t(price >= 1000000); }

inline char *put_two(char *to, uint32_t n) {
    to[0] = char('0' + n / 10), to[1] = char('0' + n % 10);
    return to + 2;
}

// The day of a time as yyyy-MM-dd, UTC. Years begin in March, so that a leap day is the last.
inline char *put_day(char *to, uint64_t time) {
    uint32_t days = uint32_t(time / DAY) + 719468, era = days / 146097, of_era = days % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
    uint32_t day = of_year - (153 * m + 2) / 5 + 1, month = m < 10 ? m + 3 : m - 9;
    year += era * 400 + (month <= 2);
    to = put_two(put_two(to, year / 100 % 100), year % 100);
    *to++ = '-';
    to = put_two(to, month);
    *to++ = '-';
    return put_two(to, day);
}

// Bids with their prices, by band.
struct prices {
    uint64_t bids[3], min, max, sum;

    uint64_t count() const { return bids[0] + bids[1] + bids[2]; }
    void add(const prices &other) {
        if (!count() || other.min < min) min = other.min;
        if (other.max > max) max = other.max;
        for (int band = 0; band < 3; band++) bids[band] += other.bids[band];
        sum += other.sum;
    }
};

} // namespace nexmark

#endif
