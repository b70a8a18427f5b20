// panes.hpp: what the operators of q5 say to each other. Auctions are counted by panes of
// time, and the counts of neighbours lie together: they live at the same time, so that
// state has few keys, each of which is written often, for once.
#ifndef NEXMARK_PANES_HPP
#define NEXMARK_PANES_HPP

#include "held.hpp"

namespace nexmark {

enum : uint32_t {
    EVERY = 2000,    // ms of a pane
    PANES = 5,       // of a window
    NEIGHBOURS = 32, // that lie together, under auction / NEIGHBOURS
};

// Bids of an auction: in a pane to q5_count, in a window to q5_max.
struct auction_count {
    wasmill_u64 auction, num;
};

} // namespace nexmark

#endif
