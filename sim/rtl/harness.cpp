// SPDX-License-Identifier: Apache-2.0
// A verilated accelerator with its memory and register port, behind a C interface for ctypes.
//
// A cycle is two evaluations: inputs change while the clock is low and outputs settle, then the
// clock rises. All inputs are functions of the state after the last rising edge, as they would be
// from registers. Nothing here calls back into Python.
#include <memory>

#include "Vweft.h"
#include "verilated.h"
#if WEFT_TRACE
#include "verilated_sym_props.h"
#include "verilated_syms.h"
#include "verilated_vcd_c.h"
#endif

#include "axi_memory.hpp"

namespace {

constexpr uint64_t REGISTER_TIMEOUT = 100000;  // cycles a register access may take
constexpr unsigned RESET_CYCLES = 4;

// A signal that is recorded whenever it changes.
struct Watch {
    const void* data;
    unsigned bytes;
    uint64_t value;
    std::vector<uint64_t> cycles, values;

    void sample(uint64_t cycle) {
        uint64_t now = 0;
        std::memcpy(&now, data, bytes);
        if (!cycles.empty() && now == value) return;
        value = now;
        cycles.push_back(cycle);
        values.push_back(now);
    }
};

class Device {
  public:
    Device(unsigned latency, uint32_t stall, uint64_t seed, unsigned max_beats, const char* trace)
        : memory(latency, stall, seed, max_beats), stall(stall), random(seed ^ 0x5DEECE66Dull) {
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
        idle();
        top->rst = 1;
        for (unsigned n = 0; n < RESET_CYCLES; ++n) tick();
        if (top->m_axi_arvalid || top->m_axi_awvalid || top->m_axi_wvalid || top->irq)
            fail("a valid or the interrupt is high during reset");
        top->rst = 0;
    }

    ~Device() {
#if WEFT_TRACE
        if (vcd) vcd->close();
#endif
        top->final();
    }

    AxiMemory memory;
    uint64_t cycle = 0;
    std::vector<Watch> watches;

    // One clock cycle; afterwards outputs are those of the next cycle before its inputs change.
    void tick() {
        top->clk = 0;
        memory.drive(*top);
        top->eval();
#if WEFT_TRACE
        if (vcd) vcd->dump(context.time());
        for (Watch& watch : watches) watch.sample(cycle);
#endif
        if (!top->rst) memory.sample(*top, cycle);
        context.timeInc(5);
        top->clk = 1;
        lite_sample();
        top->eval();
#if WEFT_TRACE
        if (vcd) vcd->dump(context.time());
#endif
        context.timeInc(5);
        ++cycle;
    }

    // Runs until the interrupt: 1, or for some cycles: 0, or to a protocol violation: -1.
    int run(uint64_t cycles) {
        for (; cycles && !top->irq; --cycles) {
            tick();
            if (!memory.violation.empty()) return -1;
        }
        return top->irq;
    }

    // A register write; the response, or -1.
    int write(uint32_t address, uint32_t value) {
        unsigned wait_address = pause(), wait_data = pause(), wait_response = pause();
        bool address_taken = false, data_taken = false;
        for (uint64_t n = 0; n < REGISTER_TIMEOUT; ++n) {
            top->s_axil_awvalid = !address_taken && n >= wait_address;
            top->s_axil_awaddr = address;
            top->s_axil_wvalid = !data_taken && n >= wait_data;
            top->s_axil_wdata = value;
            top->s_axil_wstrb = 0xF;
            top->s_axil_bready = address_taken && data_taken && n >= wait_response;
            tick();
            if (!memory.violation.empty()) break;
            address_taken |= lite.aw;
            data_taken |= lite.w;
            if (lite.b_valid && !(address_taken && data_taken))
                return fail("AXI4-Lite B before AW and W");
            if (lite.b) {
                idle();
                return lite.b_response;
            }
        }
        return fail("no answer to an AXI4-Lite write");
    }

    // A register read; the response, or -1.
    int read(uint32_t address, uint32_t* value) {
        unsigned wait_address = pause(), wait_response = pause();
        bool taken = false;
        for (uint64_t n = 0; n < REGISTER_TIMEOUT; ++n) {
            top->s_axil_arvalid = !taken && n >= wait_address;
            top->s_axil_araddr = address;
            top->s_axil_rready = taken && n >= wait_response;
            tick();
            if (!memory.violation.empty()) break;
            taken |= lite.ar;
            if (lite.r_valid && !taken) return fail("AXI4-Lite R before AR");
            if (lite.r) {
                idle();
                *value = lite.r_data;
                return lite.r_response;
            }
        }
        return fail("no answer to an AXI4-Lite read");
    }

    // Records the public variable of a name, in whatever scope it is; its number, or -1.
    int watch(const char* name) {
#if WEFT_TRACE
        for (const auto& item : *context.scopeNameMap()) {
            VerilatedVar* variable = item.second->varFind(name);
            if (!variable || variable->totalSize() > sizeof(uint64_t)) continue;
            watches.push_back({variable->datap(), unsigned(variable->totalSize()), 0, {}, {}});
            return int(watches.size()) - 1;
        }
#endif
        (void)name;
        return -1;
    }

  private:
    VerilatedContext context;
    std::unique_ptr<Vweft> top;
#if WEFT_TRACE
    std::unique_ptr<VerilatedVcdC> vcd;
#endif
    uint32_t stall;
    Random random;
    struct { bool aw, w, b, ar, r, b_valid, r_valid; uint8_t b_response, r_response; uint32_t r_data; } lite{};

    unsigned pause() { return stall ? random.next() % 8 : 0; }

    void lite_sample() {
        lite.aw = top->s_axil_awvalid && top->s_axil_awready;
        lite.w = top->s_axil_wvalid && top->s_axil_wready;
        lite.b = top->s_axil_bvalid && top->s_axil_bready;
        lite.ar = top->s_axil_arvalid && top->s_axil_arready;
        lite.r = top->s_axil_rvalid && top->s_axil_rready;
        lite.b_valid = top->s_axil_bvalid;
        lite.r_valid = top->s_axil_rvalid;
        lite.b_response = top->s_axil_bresp;
        lite.r_response = top->s_axil_rresp;
        lite.r_data = top->s_axil_rdata;
    }

    void idle() {
        top->s_axil_awvalid = top->s_axil_wvalid = top->s_axil_arvalid = 0;
        top->s_axil_bready = top->s_axil_rready = 0;
    }

    int fail(const char* what) {
        if (memory.violation.empty())
            memory.violation = "cycle " + std::to_string(cycle) + ": " + what;
        return -1;
    }
};

Device* device(void* handle) { return static_cast<Device*>(handle); }

}  // namespace

// All else is hidden: several such libraries live in one process.
#pragma GCC visibility push(default)
extern "C" {

void* weft_open(unsigned latency, uint32_t stall, uint64_t seed, unsigned max_beats,
                const char* trace) {
    return new Device(latency, stall, seed, max_beats, trace);
}
void weft_close(void* handle) { delete device(handle); }
void weft_memory(void* handle, uint8_t* data, uint64_t size) {
    device(handle)->memory.store.data = data;
    device(handle)->memory.store.size = size;
}
void weft_error_range(void* handle, uint64_t start, uint64_t stop) {
    device(handle)->memory.store.errors.emplace_back(start, stop);
}
int weft_write(void* handle, uint32_t address, uint32_t value) {
    return device(handle)->write(address, value);
}
int weft_read(void* handle, uint32_t address, uint32_t* value) {
    return device(handle)->read(address, value);
}
int weft_run(void* handle, uint64_t cycles) { return device(handle)->run(cycles); }
uint64_t weft_cycles(void* handle) { return device(handle)->cycle; }
const char* weft_violation(void* handle) { return device(handle)->memory.violation.c_str(); }
int weft_watch(void* handle, const char* name) { return device(handle)->watch(name); }
uint64_t weft_watch_count(void* handle, unsigned index) {
    return device(handle)->watches[index].cycles.size();
}
void weft_watch_copy(void* handle, unsigned index, uint64_t* cycles, uint64_t* values) {
    const Watch& watch = device(handle)->watches[index];
    std::memcpy(cycles, watch.cycles.data(), watch.cycles.size() * sizeof(uint64_t));
    std::memcpy(values, watch.values.data(), watch.values.size() * sizeof(uint64_t));
}

}  // extern "C"
#pragma GCC visibility pop
