// SELECT auction, bidder, price, channel, CASE lower(channel) WHEN 'apple' THEN '0' WHEN
// 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3' ELSE REGEXP_EXTRACT(url,
// '(&|^)channel_id=([^&]*)', 2) END AS channel_id FROM bid WHERE channel_id IS NOT NULL
#include "nexmark.hpp"

using namespace nexmark;

// What follows channel_id= in the first part of the url that begins so; ptr NULL: nothing.
static bytes id_in(bytes url) {
    constexpr bytes name = "channel_id="_b;
    for (;;) {
        uint32_t part = find(url, '&');
        if (starts_with(url, name)) return {url.ptr + name.len, part - name.len};
        if (part == url.len) return {};
        url = {url.ptr + part + 1, url.len - part - 1};
    }
}

static bytes channel_id(const bid &b) {
    bytes channel = b.channel();
    switch (channel.len) {
    case 5:
        if (same_ignoring_case(channel, "apple"_b)) return "0"_b;
        if (same_ignoring_case(channel, "baidu"_b)) return "3"_b;
        break;
    case 6:
        if (same_ignoring_case(channel, "google"_b)) return "1"_b;
        break;
    case 8:
        if (same_ignoring_case(channel, "facebook"_b)) return "2"_b;
        break;
    }
    return id_in(b.url());
}

static int process(context *c, const record *r) {
    if (!is_bid(r)) return WASMILL_OK;
    bid b(r);
    bytes id = channel_id(b);
    if (!id.ptr) return WASMILL_OK;
    return row(c, r->timestamp, r->key, r->value.len)
        .number<"auction">(b.auction())
        .number<"bidder">(b.bidder())
        .number<"price">(b.price())
        .text<"channel">(b.channel())
        .text<"channel_id">(id)
        .emit();
}

WASMILL_OPERATOR(.name = "q21", .version = "1.0.0", .process = process);
