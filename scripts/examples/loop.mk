# A training loop whose checkpoints are targets: make goes on from the last that is there, and an interrupted one is made again.
#
#   make -f scripts/examples/loop.mk MODEL=scripts/models/spirals.toml DATA=spirals DIR=runs/loop EPOCHS=3
#
# DIR gets epoch-1.arrow ... epoch-EPOCHS.arrow and, of each, epoch-N.json with its figures on the test set.

MODEL ?= scripts/models/spirals.toml
DATA ?= spirals
DIR ?= runs/loop
EPOCHS ?= 3
BATCH ?= 128
STEPS ?= 78
OPTIMIZER ?= snopt
export PATH := $(CURDIR)/bin:$(PATH)
SHELL := /bin/bash -o pipefail

all: $(foreach n,$(shell seq $(EPOCHS)),$(DIR)/epoch-$(n).json)

$(DIR)/epoch-0.arrow: $(MODEL)
	mkdir -p $(DIR)
	kfacstep init --model=$(abspath $(MODEL)) --optimizer=$(OPTIMIZER) > $@.part
	mv $@.part $@

# One process for each stage and step; scripts/train.sh is the fast way. A step starts from the checkpoint of the one before.
.SECONDEXPANSION:
$(DIR)/epoch-%.arrow: $(DIR)/epoch-$$(shell echo $$$$(( $$* - 1 ))).arrow
	cp $< $@.part
	for step in $$(seq $$(( ($* - 1) * $(STEPS) )) $$(( $* * $(STEPS) - 1 ))); do \
	  scripts/iterate.sh $@.part $(DATA) $$step --batch=$(BATCH) || exit; done
	mv $@.part $@

$(DIR)/epoch-%.json: $(DIR)/epoch-%.arrow
	datagen $(DATA) --split=test --batch=500 | odeforward --params=$< | evalmodel > $@

.PRECIOUS: $(DIR)/epoch-%.arrow
.PHONY: all
