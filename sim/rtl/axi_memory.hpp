// SPDX-License-Identifier: Apache-2.0
// An AXI4 memory that checks the manager it serves (AMBA AXI, Arm IHI 0022).
//
// The memory is somebody else's byte array. Reads: one AR accepted per cycle, the first beat is on
// R `latency` cycles after its AR was accepted, one beat a cycle, bursts of one id in order, bursts
// of different ids in turn. Writes: one AW and one W accepted per cycle, B is valid `latency`
// cycles after the last W. Reads and writes do not hold each other up. With a stall probability
// every channel pauses at random, and beats of different ids interleave.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

constexpr unsigned BYTES = WEFT_DATA_BYTES;
constexpr unsigned IDS = 2;
constexpr unsigned WRITE_BEATS_AHEAD = 64;  // W beats taken before their AW
constexpr uint8_t OKAY = 0, SLVERR = 2, DECERR = 3, INCR = 1;

// xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016).
class Random {
  public:
    explicit Random(uint64_t seed) : state(seed * 2685821657736338717ull + 88172645463325252ull) {}
    uint32_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return uint32_t((state * 2685821657736338717ull) >> 32);
    }

  private:
    uint64_t state;
};

// The bytes behind the port and the ranges that answer with SLVERR.
struct Store {
    uint8_t* data = nullptr;
    uint64_t size = 0;
    std::vector<std::pair<uint64_t, uint64_t>> errors;

    uint8_t response(uint64_t address) const {
        if (address >= size) return DECERR;
        for (const auto& range : errors)
            if (address + BYTES > range.first && address < range.second) return SLVERR;
        return OKAY;
    }
    uint8_t read(uint64_t address, uint8_t* beat) const {
        std::memset(beat, 0xEE, BYTES);
        const uint8_t answer = response(address);
        if (answer == OKAY) {
            const uint64_t left = size - address;
            std::memcpy(beat, data + address, left < BYTES ? left : BYTES);
        }
        return answer;
    }
    uint8_t write(uint64_t address, const uint8_t* beat, uint64_t strobe) {
        uint8_t answer = response(address);
        if (answer != OKAY) return answer;
        for (unsigned lane = 0; lane < BYTES; ++lane)
            if (strobe >> lane & 1) {
                if (address + lane < size) data[address + lane] = beat[lane];
                else answer = DECERR;
            }
        return answer;
    }
};

struct Address {
    uint64_t address;
    uint8_t id, length, size, burst;
    bool operator==(const Address& o) const {
        return address == o.address && id == o.id && length == o.length && size == o.size &&
               burst == o.burst;
    }
};

struct WriteBeat {
    uint8_t data[BYTES];
    uint64_t strobe;
    uint8_t last;
    bool operator==(const WriteBeat& o) const {
        return !std::memcmp(data, o.data, BYTES) && strobe == o.strobe && last == o.last;
    }
};

// Remembers what waits on a channel; a source may neither withdraw nor change it (A3.2.1).
template <class Payload> class Stable {
  public:
    const char* check(bool valid, bool ready, const Payload& payload) {
        const char* fault = nullptr;
        if (waiting && !valid) fault = "valid was withdrawn before ready";
        else if (waiting && !(payload == held)) fault = "payload changed while waiting for ready";
        waiting = valid && !ready;
        if (waiting) held = payload;
        return fault;
    }

  private:
    bool waiting = false;
    Payload held{};
};

class AxiMemory {
  public:
    AxiMemory(unsigned latency, uint32_t stall, uint64_t seed, unsigned max_beats)
        : latency(latency), stall(stall), max_beats(max_beats), random(seed) {}

    Store store;
    std::string violation;

    // Puts this cycle's inputs on the port.
    template <class Top> void drive(Top& top) {
        top.m_axi_arready = ar_ready;
        top.m_axi_awready = aw_ready;
        top.m_axi_wready = w_ready;
        top.m_axi_rvalid = r_valid;
        top.m_axi_bvalid = b_valid;
        if (r_valid) {
            top.m_axi_rid = r_id;
            top.m_axi_rresp = r_response;
            top.m_axi_rlast = r_last;
            std::memcpy(&top.m_axi_rdata, r_data, BYTES);
        }
        if (b_valid) {
            top.m_axi_bid = b_queue.front().id;
            top.m_axi_bresp = b_queue.front().response;
        }
    }

    // Takes this cycle's outputs from the port and decides the next cycle's inputs.
    template <class Top> void sample(Top& top, uint64_t cycle) {
        sample_ar(top, cycle);
        sample_r(top, cycle);
        sample_aw(top, cycle);
        sample_w(top, cycle);
        sample_b(top, cycle);
    }

  private:
    struct Burst { Address a; unsigned beat; uint64_t due; };
    struct Answer { uint8_t id, response; uint64_t due; };

    unsigned latency;
    uint32_t stall;
    unsigned max_beats;
    Random random;
    bool ar_ready = false, aw_ready = false, w_ready = false, r_valid = false, b_valid = false;
    uint8_t r_id = 0, r_response = 0, r_last = 0, r_data[BYTES] = {};
    unsigned turn = 0;
    bool in_burst = false;
    std::deque<Burst> reads[IDS];
    std::deque<Burst> writes;
    std::deque<WriteBeat> beats;
    std::deque<Answer> b_queue;
    uint8_t write_response = OKAY;
    Stable<Address> ar_stable, aw_stable;
    Stable<WriteBeat> w_stable;

    bool pause() { return stall && random.next() < stall; }

    void fault(uint64_t cycle, const char* channel, const char* what, uint64_t address = 0) {
        if (!violation.empty()) return;
        char text[256];
        std::snprintf(text, sizeof text, "cycle %llu: %s: %s (address 0x%llx)",
                      (unsigned long long)cycle, channel, what, (unsigned long long)address);
        violation = text;
    }

    void check_address(uint64_t cycle, const char* channel, const Address& a) {
        const uint64_t beats_ = a.length + 1u;
        const uint64_t first = a.address & ~uint64_t(BYTES - 1);
        if (a.burst != INCR) fault(cycle, channel, "burst type is not INCR", a.address);
        if ((1u << a.size) != BYTES) fault(cycle, channel, "size is not the data width", a.address);
        if (beats_ > max_beats) fault(cycle, channel, "burst is longer than configured", a.address);
        if (first >> 12 != (first + beats_ * BYTES - 1) >> 12)
            fault(cycle, channel, "burst crosses a 4 KB boundary", a.address);
        if (a.id >= IDS) fault(cycle, channel, "unknown id", a.address);
    }

    template <class Top> void sample_ar(Top& top, uint64_t cycle) {
        const bool valid = top.m_axi_arvalid;
        const Address a{uint64_t(top.m_axi_araddr), uint8_t(top.m_axi_arid),
                        uint8_t(top.m_axi_arlen), uint8_t(top.m_axi_arsize),
                        uint8_t(top.m_axi_arburst)};
        if (const char* what = ar_stable.check(valid, ar_ready, a)) fault(cycle, "AR", what, a.address);
        if (valid && ar_ready) {
            check_address(cycle, "AR", a);
            reads[a.id % IDS].push_back({a, 0, cycle + latency});
        }
        ar_ready = !pause();
    }

    bool due(unsigned id, uint64_t cycle) const {
        return !reads[id].empty() && reads[id].front().due <= cycle;
    }

    template <class Top> void sample_r(Top& top, uint64_t cycle) {
        if (r_valid && !top.m_axi_rready) return;
        r_valid = false;
        if (pause()) return;
        if (!in_burst || stall) {
            turn = stall ? random.next() % IDS : turn + 1;
            for (unsigned n = 0; n < IDS && !due(turn % IDS, cycle + 1); ++n) ++turn;
            turn %= IDS;
        }
        if (!due(turn, cycle + 1)) return;
        Burst& burst = reads[turn].front();
        r_valid = true;
        r_id = burst.a.id;
        r_response = store.read((burst.a.address & ~uint64_t(BYTES - 1)) + burst.beat * BYTES, r_data);
        r_last = burst.beat == burst.a.length;
        in_burst = !r_last;
        if (r_last) reads[turn].pop_front();
        else ++burst.beat;
    }

    template <class Top> void sample_aw(Top& top, uint64_t cycle) {
        const bool valid = top.m_axi_awvalid;
        const Address a{uint64_t(top.m_axi_awaddr), uint8_t(top.m_axi_awid),
                        uint8_t(top.m_axi_awlen), uint8_t(top.m_axi_awsize),
                        uint8_t(top.m_axi_awburst)};
        if (const char* what = aw_stable.check(valid, aw_ready, a)) fault(cycle, "AW", what, a.address);
        if (valid && aw_ready) {
            check_address(cycle, "AW", a);
            writes.push_back({a, 0, 0});
        }
        aw_ready = !pause();
    }

    template <class Top> void sample_w(Top& top, uint64_t cycle) {
        const bool valid = top.m_axi_wvalid;
        if (valid) {
            WriteBeat beat{{}, uint64_t(top.m_axi_wstrb), uint8_t(top.m_axi_wlast)};
            std::memcpy(beat.data, &top.m_axi_wdata, BYTES);
            if (const char* what = w_stable.check(true, w_ready, beat)) fault(cycle, "W", what);
            if (w_ready) beats.push_back(beat);
        } else if (const char* what = w_stable.check(false, w_ready, {})) {
            fault(cycle, "W", what);
        }
        while (!writes.empty() && !beats.empty()) take(cycle);
        w_ready = beats.size() < WRITE_BEATS_AHEAD && !pause();
    }

    // Writes the oldest beat to the oldest burst.
    void take(uint64_t cycle) {
        Burst& burst = writes.front();
        const WriteBeat& beat = beats.front();
        const uint64_t address = (burst.a.address & ~uint64_t(BYTES - 1)) + burst.beat * BYTES;
        const unsigned skip = burst.beat ? 0 : burst.a.address % BYTES;
        if (beat.strobe & ((uint64_t(1) << skip) - 1))
            fault(cycle, "W", "strobe below the start address", burst.a.address);
        if (bool(beat.last) != (burst.beat == burst.a.length))
            fault(cycle, "W", beat.last ? "last too early" : "last missing", burst.a.address);
        const uint8_t answer = store.write(address, beat.data, beat.strobe);
        if (answer > write_response) write_response = answer;
        if (burst.beat++ == burst.a.length) {
            b_queue.push_back({burst.a.id, write_response, cycle + latency});
            write_response = OKAY;
            writes.pop_front();
        }
        beats.pop_front();
    }

    template <class Top> void sample_b(Top& top, uint64_t cycle) {
        if (b_valid && !top.m_axi_bready) return;
        if (b_valid) b_queue.pop_front();
        b_valid = !pause() && !b_queue.empty() && b_queue.front().due <= cycle + 1;
    }
};
