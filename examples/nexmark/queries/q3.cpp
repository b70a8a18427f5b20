// SELECT person.name, city, state, auction.id FROM auction JOIN person ON seller = person.id
// WHERE category = 10 AND state IN ('OR', 'ID', 'CA')
// State, by seller: the person or, until it comes, the ids of the auctions.
#include "nexmark.hpp"

using namespace nexmark;

enum { PERSONS, WAITING };

// Of a person as q3_parties makes it.
static int emit(context *c, int64_t timestamp, const char *name, uint64_t id) {
    const char *city = after_string(name), *state = after_string(city);
    return row(c, timestamp, {}, uint32_t(after_string(state) - name))
        .text<"name">(string_at(name))
        .text<"city">(string_at(city))
        .text<"state">(string_at(state))
        .number<"id">(id)
        .emit();
}

static int process(context *c, const record *r) {
    bytes person = wasmill_value_get(c, PERSONS), id(r->value.ptr + 1, 8);
    if (r->value[0] == AUCTION) {
        return person ? emit(c, r->timestamp, person.ptr + 1, load64(id.ptr)) : wasmill_list_add(c, WAITING, id);
    }
    if (person) return WASMILL_OK;
    if (wasmill_value_set(c, PERSONS, r->value)) return WASMILL_FAILED;
    bytes waiting = wasmill_list_get(c, WAITING);
    while (wasmill_list_next(&waiting, &id))
        if (emit(c, r->timestamp, r->value.ptr + 1, load64(id.ptr))) return WASMILL_FAILED;
    return wasmill_clear(c, WAITING);
}

WASMILL_OPERATOR(.name = "q3", .version = "1.0.0", .process = process,
                 .tables = {{"persons"}, {.name = "waiting", .use = WASMILL_LISTS}});
