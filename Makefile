# Strop: build, test, try, install. `make help` lists what there is.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
SHELL := /bin/bash

VERSION := 0.1.0
SOVERSION := 0

# --- what a builder may set -----------------------------------------------------------------------------------------
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
LD ?= ld
OBJCOPY ?= objcopy
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/strop
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
# SAN=address,undefined or SAN=thread builds everything with these sanitizers, in a folder of its own.
SAN ?=
# WERROR=-Werror makes warnings errors; `make lint` does so with gcc and clang.
WERROR ?=
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

comma := ,
BUILD ?= build/$(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(filter clang%,$(notdir $(CC))),clang,release))

# --- flags ------------------------------------------------------------------------------------------------------------
PKGS_LIB := libevent_core libevent_extra libsodium libcrypto msgpack
PKGS_NODE := $(PKGS_LIB) rdkafka inih
PKGS_TEST := $(PKGS_NODE) cmocka jansson libcbor
pkg = $(shell pkg-config $(1) $(2) 2>/dev/null)
PKG_CFLAGS := $(call pkg,--cflags,$(PKGS_NODE))

cc-option = $(shell $(CC) $(1) -Werror -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(1))
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
            -Wpointer-arith -Wcast-qual -Wwrite-strings
HARDENING := -fstack-protector-strong $(call cc-option,-fstack-clash-protection) $(call cc-option,-fcf-protection) \
             $(call cc-option,-ftrivial-auto-var-init=zero) $(if $(SAN),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPTIMIZE := $(if $(SAN),-O1,-O2)
CFLAGS ?= $(OPTIMIZE) -g
# The folder of the sources is in no output: what is built of them is the same anywhere.
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DSTROP_VERSION='"$(VERSION)"' -I. -ffile-prefix-map='$(CURDIR)'=. -fPIC -fvisibility=hidden $(WARNINGS) $(WERROR) $(HARDENING) $(SANITIZE) \
             $(PKG_CFLAGS) $(CFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = $(SANITIZE) -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(LDFLAGS)

# --- what there is ------------------------------------------------------------------------------------------------------
# libstrop: everything an endpoint needs. The node: services, the logs behind them, and the program around them.
LIB_SRC := $(wildcard transport/*.c transport/base/*.c transport/secure_channel/*.c stream/protocol.c stream/client/*.c) \
           $(filter-out client/alice.c client/bob.c,$(wildcard client/*.c))
NODE_SRC := $(filter-out stream/protocol.c,$(wildcard stream/*.c)) $(wildcard stream/kafka/*.c) $(filter-out node/main.c,$(wildcard node/*.c))
PROGRAMS := strop-node alice bob
UNIT_SRC := $(wildcard tests/unit/test_*.c)
SIM_SRC := $(wildcard tests/simulation/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
ALL_SRC := $(LIB_SRC) $(NODE_SRC) node/main.c client/alice.c client/bob.c $(filter-out tests/programs/%,$(wildcard tests/*/*.c))

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
LIB_A := $(BUILD)/libendpoint.a
LIB_STATIC := $(BUILD)/static/libstrop.a
LIB_SO := $(BUILD)/libstrop.so.$(SOVERSION)
NODE_A := $(BUILD)/libnode.a
SUPPORT_A := $(BUILD)/tests/libsupport.a
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
SIM_BIN := $(BUILD)/tests/simulation/simulation
BIN := $(addprefix $(BUILD)/,$(PROGRAMS))

.PHONY: all
all: $(BIN) $(LIB_STATIC) $(LIB_SO) ## build the programs and the library (output under build/)

# A change of flags rebuilds.
$(BUILD)/flags: FORCE
	@pkg-config --exists --print-errors $(PKGS_NODE) || { echo "packages are missing: run deploy/setup build" >&2; exit 1; }
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(ALL_CFLAGS)' > $@
.PHONY: FORCE
FORCE:

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC   $<")
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/%.o: private PKG_CFLAGS += $(call pkg,--cflags,$(PKGS_TEST))

define archive
	@mkdir -p $(@D)
	$(if $(Q),@echo "  AR   $@")
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
endef
define link
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -pie $(filter %.o %.a,$^) -o $@ $(call pkg,--libs,$(1)) -lpthread
endef

$(LIB_A): $(call obj,$(LIB_SRC)) ; $(archive)
$(NODE_A): $(call obj,$(NODE_SRC)) ; $(archive)
$(SUPPORT_A): $(call obj,$(SUPPORT_SRC)) ; $(archive)
$(LIB_SO): $(call obj,$(LIB_SRC)) client/strop.map
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libstrop.so.$(SOVERSION) -Wl,--version-script=client/strop.map \
	        $(filter %.o,$^) -o $@ $(call pkg,--libs,$(PKGS_LIB))

# What others link: one object in which all that is not in strop.h is local, so that no name of ours meets one of theirs.
$(LIB_STATIC): $(call obj,$(LIB_SRC))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  AR   $@")
	$(Q)rm -f $@ && $(LD) -r $(filter %.o,$^) -o $(@D)/libstrop.o && $(OBJCOPY) --localize-hidden $(@D)/libstrop.o && \
	        $(AR) rcs $@ $(@D)/libstrop.o

# ThreadSanitizer has to be shown librdkafka's threads.
SHOW_THREADS := $(if $(filter thread,$(SAN)),$(BUILD)/tests/support/tsan_threads.o)
$(BUILD)/strop-node: $(BUILD)/node/main.o $(SHOW_THREADS) $(NODE_A) $(LIB_A) ; $(call link,$(PKGS_NODE))
$(BUILD)/alice: $(BUILD)/client/alice.o $(LIB_A) ; $(call link,$(PKGS_LIB))
$(BUILD)/bob: $(BUILD)/client/bob.o $(LIB_A) ; $(call link,$(PKGS_LIB))

$(UNIT_BIN): $(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(SUPPORT_A) $(NODE_A) $(LIB_A) ; $(call link,$(PKGS_TEST))
$(SIM_BIN): $(call obj,$(SIM_SRC)) $(SUPPORT_A) $(NODE_A) $(LIB_A) ; $(call link,$(PKGS_TEST))

LOAD_BIN := $(BUILD)/tests/bench/load
$(LOAD_BIN): $(BUILD)/tests/bench/load.o $(LIB_A) ; $(call link,$(PKGS_LIB))

-include $(patsubst %.o,%.d,$(call obj,$(ALL_SRC)))

include tests/tests.mk

# What the linter compiles: every source there is, with nothing linked.
.PHONY: objects
objects: $(call obj,$(ALL_SRC))

# --- installing -------------------------------------------------------------------------------------------------------
MAN_PAGES := $(wildcard docs/man/*.[0-9])
man_target = $(foreach page,$(MAN_PAGES),$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(notdir $(page)))
DOCUMENTS = LICENSE README.md deploy/strop-node.conf docs/example.c $(wildcard docs/*.md)
INSTALLED = $(addprefix $(BINDIR)/,$(PROGRAMS)) $(LIBDIR)/libstrop.a $(LIBDIR)/$(notdir $(LIB_SO)) $(LIBDIR)/libstrop.so \
            $(LIBDIR)/pkgconfig/strop.pc $(INCLUDEDIR)/strop.h $(man_target) \
            $(addprefix $(DOCDIR)/,$(notdir $(DOCUMENTS))) $(UNITDIR)/strop-node.service

.PHONY: install
install: all ## install under PREFIX (below DESTDIR if that is set)
	install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))))
	install -m 755 $(BIN) $(DESTDIR)$(BINDIR)
	install -m 644 $(LIB_STATIC) $(DESTDIR)$(LIBDIR)
	install -m 755 $(LIB_SO) $(DESTDIR)$(LIBDIR)
	ln -sf $(notdir $(LIB_SO)) $(DESTDIR)$(LIBDIR)/libstrop.so
	sed -e 's,@PREFIX@,$(PREFIX),g; s,@LIBDIR@,$(LIBDIR),g; s,@INCLUDEDIR@,$(INCLUDEDIR),g; s,@VERSION@,$(VERSION),g' \
	        client/strop.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/strop.pc
	install -m 644 client/strop.h $(DESTDIR)$(INCLUDEDIR)
	$(foreach page,$(MAN_PAGES),install -m 644 $(page) $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(page))) &&) true
	install -m 644 $(DOCUMENTS) $(DESTDIR)$(DOCDIR)
	sed -e 's,@BINDIR@,$(BINDIR),g' deploy/strop-node.service > $(DESTDIR)$(UNITDIR)/strop-node.service

.PHONY: uninstall
uninstall: ## remove what install has put there
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	rmdir $(DESTDIR)$(DOCDIR) 2>/dev/null; true

# --- trying -----------------------------------------------------------------------------------------------------------
# The build's output goes to stderr: stdout is Alice's alone.
.PHONY: demo
demo: ## a node, Bob, and you as Alice; lines of stdin come back on stdout
	@deploy/setup build && $(MAKE) -s $(JOBS) all >&2 </dev/null && deploy/demo $(BUILD)
# As many jobs as there are cores, unless the caller has said how many.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: format
format: ## lay out the C sources by .clang-format
	clang-format -i $$(git ls-files '*.[ch]')

.PHONY: clean
clean: ## remove build/
	rm -rf build

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16
	@echo
	@echo 'SAN=address,undefined or SAN=thread works with any of them; CC, CFLAGS, PREFIX and DESTDIR are obeyed; V=1 shows the commands.'
