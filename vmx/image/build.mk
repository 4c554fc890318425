# The bootable image: hindvisor.bin is loaded at 1 MiB by Bochs, by QEMU -kernel
# or by GRUB; rom.bin stands in for a BIOS under Bochs.

IMAGE_LINK   := $(filter-out $(BUILD)/image/vmx/image/rom.o,$(IMAGE_OBJECTS))
IMAGE_SCRIPT := $(BUILD)/image/link.ld

# The compiler makes up calls of these after link-time optimisation has taken stock.
$(BUILD)/image/vmx/image/mem.o: FREESTANDING += -fno-lto

image: $(BUILD)/image/hindvisor.bin $(BUILD)/image/rom.bin $(BUILD)/image/exits.elf ## the bootable image, Bochs's ROM, the guest of `hindvisor bench`

$(IMAGE_SCRIPT): vmx/image/link.ld vmx/image/layout.h
	@mkdir -p $(@D)
	$(call say,CPP,$@)$(CC) -E -P -undef -x c -I. -o $@ $<

$(BUILD)/image/hindvisor.elf: $(IMAGE_LINK) $(IMAGE_SCRIPT)
	$(call say,LD,$@)$(CC) -O2 -flto=auto -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	    -Wl,--fatal-warnings -Wl,--no-warn-rwx-segments -T $(IMAGE_SCRIPT) -o $@ $(IMAGE_LINK) -lgcc
	@if objdump -d $@ | grep -m1 -E '%([xyz]mm|mm|st)'; then \
	    echo "$@: this instruction would change the guest's vector registers" >&2; rm -f $@; exit 1; fi

$(BUILD)/image/hindvisor.bin: $(BUILD)/image/hindvisor.elf
	$(call say,COPY,$@)objcopy -O binary $< $@

$(BUILD)/image/rom.bin: $(BUILD)/image/vmx/image/rom.o
	$(call say,COPY,$@)objcopy -O binary -j .text $< $@
