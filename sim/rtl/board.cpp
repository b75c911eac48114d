// SPDX-License-Identifier: Apache-2.0
// A verilated board with a UART at its pins, behind a C interface for ctypes.
//
// The UART here keeps the baud rate, not the board's rounded divisor, so that the board's error is
// part of what is simulated.
#include <cstdint>
#include <deque>
#include <memory>

#include "Vweft.h"
#include "verilated.h"
#if WEFT_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr unsigned RESET_CYCLES = 4;
constexpr double SILENCE_BITS = 20;  // with nothing on the line a message has ended

class Board {
  public:
    Board(double cycles_per_bit, uint64_t seed, const char* trace) : bit(cycles_per_bit) {
        context.randReset(2);
        context.randSeed(int(seed & 0x3FFFFFFF) + 1);
#if WEFT_TRACE
        context.traceEverOn(true);
#endif
        top.reset(new Vweft(&context));
#if WEFT_TRACE
        if (trace && *trace) {
            vcd.reset(new VerilatedVcdC);
            top->trace(vcd.get(), 99);
            vcd->open(trace);
        }
#else
        (void)trace;
#endif
        top->uart_rx = 1;
        top->rst = 1;
        for (unsigned n = 0; n < RESET_CYCLES; ++n) tick();
        top->rst = 0;
    }

    ~Board() {
#if WEFT_TRACE
        if (vcd) vcd->close();
#endif
        top->final();
    }

    std::deque<uint8_t> to_board;
    std::deque<uint8_t> from_board;
    uint64_t cycle = 0;
    uint64_t framing_errors = 0;

    // Runs for some cycles, or until the board has sent a message and is silent.
    void run(uint64_t cycles) {
        const uint64_t stop = cycle + cycles;
        while (cycle < stop && !stopped()) {
            send();
            tick();
            receive();
            if (!from_board.empty() && !receiving && cycle > last_received + SILENCE_BITS * bit)
                break;
        }
    }

    // A model in the design has ended the simulation.
    bool stopped() const { return context.gotFinish(); }
    unsigned leds() const { return top->leds; }
    bool sending() const { return is_sending || !to_board.empty(); }

  private:
    VerilatedContext context;
    std::unique_ptr<Vweft> top;
#if WEFT_TRACE
    std::unique_ptr<VerilatedVcdC> vcd;
#endif
    const double bit;
    // To the board: the bits that are left, lowest first, and when the present one ends.
    bool is_sending = false;
    unsigned send_bits = 0, send_left = 0;
    double send_end = 0;
    // From the board: bits sampled so far, and when the next one is.
    bool receiving = false;
    unsigned receive_bits = 0, receive_count = 0;
    double receive_next = 0;
    double last_received = 0;

    void tick() {
        top->clk = 0;
        top->eval();
#if WEFT_TRACE
        if (vcd) vcd->dump(context.time());
#endif
        context.timeInc(5);
        top->clk = 1;
        top->eval();
#if WEFT_TRACE
        if (vcd) vcd->dump(context.time());
#endif
        context.timeInc(5);
        ++cycle;
    }

    void send() {
        if (!is_sending) {
            if (to_board.empty()) return;
            send_bits = 0x200u | unsigned(to_board.front()) << 1;
            to_board.pop_front();
            send_left = 10;
            // Without a pause behind the byte before, its fraction of a cycle carries on.
            send_end = (send_end > cycle - 1.0 ? send_end : double(cycle)) + bit;
            is_sending = true;
            top->uart_rx = 0;
            return;
        }
        while (is_sending && cycle >= send_end) {
            if (--send_left == 0) {
                is_sending = false;
                send();
                return;
            }
            send_bits >>= 1;
            top->uart_rx = send_bits & 1;
            send_end += bit;
        }
    }

    void receive() {
        if (!receiving) {
            if (top->uart_tx) return;
            receiving = true;
            receive_bits = receive_count = 0;
            receive_next = cycle + bit / 2;
            return;
        }
        if (cycle < receive_next) return;
        receive_next += bit;
        receive_bits |= unsigned(top->uart_tx) << receive_count;
        if (++receive_count < 10) return;
        receiving = false;
        last_received = double(cycle);
        if ((receive_bits & 0x201) == 0x200)
            from_board.push_back(uint8_t(receive_bits >> 1));
        else
            ++framing_errors;
    }
};

Board* board(void* handle) { return static_cast<Board*>(handle); }

}  // namespace

// All else is hidden: several such libraries live in one process.
#pragma GCC visibility push(default)
extern "C" {

void* weft_board_open(double cycles_per_bit, uint64_t seed, const char* trace) {
    return new Board(cycles_per_bit, seed, trace);
}
void weft_board_close(void* handle) { delete board(handle); }
void weft_board_send(void* handle, const uint8_t* data, uint64_t size) {
    board(handle)->to_board.insert(board(handle)->to_board.end(), data, data + size);
}
int weft_board_sending(void* handle) { return board(handle)->sending(); }
uint64_t weft_board_run(void* handle, uint64_t cycles, uint8_t* data, uint64_t capacity) {
    Board& self = *board(handle);
    self.run(cycles);
    uint64_t size = 0;
    for (; size < capacity && !self.from_board.empty(); ++size) {
        data[size] = self.from_board.front();
        self.from_board.pop_front();
    }
    return size;
}
uint64_t weft_board_cycles(void* handle) { return board(handle)->cycle; }
uint64_t weft_board_framing_errors(void* handle) { return board(handle)->framing_errors; }
int weft_board_stopped(void* handle) { return board(handle)->stopped(); }

unsigned weft_board_leds(void* handle) { return board(handle)->leds(); }

}  // extern "C"
#pragma GCC visibility pop
