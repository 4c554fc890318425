# Man pages: docs/man/NAME.1.scd becomes $(BUILD)/man/NAME.1.

MAN_PAGES := $(patsubst docs/man/%.scd,$(BUILD)/man/%,$(wildcard docs/man/*.1.scd))

.PHONY: man
man: $(MAN_PAGES) ## build the man pages

# SOURCE_DATE_EPOCH: the same page from the same source, whenever it is built.
$(BUILD)/man/%: docs/man/%.scd | packages
	@mkdir -p $(@D)
	$(call say,MAN,$@)SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-1767225600} scdoc <$< >$@.new && mv $@.new $@
