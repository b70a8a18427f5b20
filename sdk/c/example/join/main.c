/* Pairs the orders and the payments of a key that fall into one window. */
#include "wasmill.h"

enum { ORDERS, PAYMENTS };

static int pair(wasmill_context *c, const wasmill_window *w, wasmill_bytes order, wasmill_bytes payment) {
    char text[256];
    if (order.len + payment.len + 1 > sizeof text) return wasmill_fail(c, "an order and a payment are longer than 255 bytes");
    wasmill_copy(text, order.ptr, order.len);
    text[order.len] = ' ';
    wasmill_copy(text + order.len + 1, payment.ptr, payment.len);
    wasmill_record out = {.timestamp = WASMILL_NO_TIMESTAMP, .key = w->key, .value = {text, order.len + payment.len + 1}};
    return wasmill_emit(c, &out);
}

static int apply(wasmill_context *c, wasmill_window *w) {
    wasmill_record order, payment;
    while (wasmill_window_next(w, &order) && w->input == ORDERS) {
        wasmill_window rest = *w; /* another way through the same records */
        while (wasmill_window_next(&rest, &payment))
            if (rest.input == PAYMENTS && pair(c, w, order.value, payment.value)) return WASMILL_FAILED;
    }
    return WASMILL_OK;
}

WASMILL_OPERATOR(.name = "join", .inputs = {"orders", "payments"}, .apply = apply);
