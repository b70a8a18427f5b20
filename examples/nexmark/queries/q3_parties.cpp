// q3, what it is about: persons of OR, ID and CA as (name, city, state) under their id, and
// auctions of category 10 as their id under their seller's.
#include "held.hpp"

using namespace nexmark;

static bool wanted(bytes state) { return same(state, "OR") || same(state, "ID") || same(state, "CA"); }

static int process(context *c, const record *r) {
    if (is_auction(r) && auction(r).category() == 10)
        return emit_as(c, auction(r).seller(), r->timestamp, {r->value.ptr, 9}); // its kind and id
    if (!is_person(r) || !wanted(person(r).state())) return WASMILL_OK;
    person p(r);
    static char value[1 + 3 * 65537];
    bytes name = p.name(), city = p.city(), state = p.state();
    uint32_t places = uint32_t(state.end() - city.ptr) + 2;
    value[0] = PERSON;
    wasmill_copy(value + 1, name.ptr - 2, 2 + name.len);
    wasmill_copy(value + 3 + name.len, city.ptr - 2, places);
    return emit_as(c, p.id(), r->timestamp, {value, 3 + name.len + places});
}

WASMILL_OPERATOR(.name = "q3-parties", .version = "1.0.0", .process = process);
