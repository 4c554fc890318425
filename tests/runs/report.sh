#!/bin/bash
# The report of recorded guests in headless Chromium: rows and numbers equal what `hindvisor analyze`
# prints, nothing is asked of the network, scripts off it is all there, keys work, the structure is
# valid, and damaged, killed and hostile traces, and guests of an unknown kernel, give a page that
# says so. A test guest of ours is quick to look at; Debian's kernel with hackbench and cyclictest
# has tasks.
#
# usage: tests/runs/report.sh [BUILD]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

page=$work/report.html
report() { timeout -k 5 120 "$hindvisor" report "$@" >"$work/out" 2>&1; }
same() { # NAME EXPECTED GOT
    [ "$2" = "$3" ] && [ -n "$2" ]
    local status=$?
    printf 'expected:\n%s\ngot:\n%s\n' "$2" "$3" | cut -c1-200 | head -40 >"$work/differs"
    result "$1" $status "$work/differs"
}

# valid PAGE: HTML without an error, and without warnings but for what tidy does not know: attributes of
# SVG, and the div in a dl.
valid() {
    if ! command -v tidy >/dev/null; then
        echo "skip valid-html-of-$(basename "$1" .html) (the package tidy is not installed)"
        return
    fi
    tidy -q -e "$1" 2>&1 | grep -vE 'proprietary attribute|<dl>|</dl>|<dd>|missing </div> before <dt>' >"$work/invalid"
    [ ! -s "$work/invalid" ]; result "valid-html-of-$(basename "$1" .html)" $? "$work/invalid"
}
says() { # NAME PAGE PATTERN...: all of them are in it
    local name=$1 file=$2 missing=0
    shift 2
    : >"$work/missing"
    for pattern in "$@"; do
        grep -qE -e "$pattern" "$file" || { echo "(nothing matches: $pattern)" >>"$work/missing"; missing=1; }
    done
    result "$name" $missing "$work/missing"
}

# A name and a command line that try to get out of attributes, elements, scripts and the shell.
evil="a\"><img src=x onerror=alert(1)>'\$(touch x)<script>\`é"
trace="$work/$evil"
must_record pc_timers "$trace" --append "</td><script>document.title='owned'</script>"

# --- without a browser ---------------------------------------------------------------------------------
report "$trace" -o "$page"; result report $? "$work/out"
says replay-is-a-verdict "$page" 'Replays the same.</b>'
report "$trace" -o "$page"; result report-from-the-cache $? "$work/out"
"$hindvisor" report "$trace" >"$work/stdout.html" 2>"$work/out"
cmp -s "$page" "$work/stdout.html"; result the-same-on-stdout $?
valid "$page"
says unknown-kernel-is-said "$page" "Nothing is known of the guest.*tasks: .*no (scheduler|symbol)" 'Guest kernel</th><td><b>note' \
    '<b>vCPU</b>'
! grep -q 'id="scheduler-tasks"' "$page"; result unknown-kernel-has-no-tasks $?
grep -q "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\"" "$page"
result strict-policy $?
# Nothing that a browser would fetch: links only within the page, and the empty icon.
same no-addresses '"#" "data:,"' "$(grep -oE '(src|href|action|srcset)="[^"]*"' "$page" | sed -E 's/^[a-z]+=//; s/"#[^"]*"/"#"/' | sort -u | paste -sd ' ')"
same no-url-in-style 0 "$(sed -n '/<style>/,/<\/style>/p' "$page" | grep -cE 'url\(|@import')"
duplicates=$(grep -oE ' id="[^"]*"' "$page" | sort | uniq -d)
[ -z "$duplicates" ]; result ids-are-unique $?
targets=$(grep -oE 'href="#[^"]*"' "$page" | sed -E 's/href="#(.*)"/\1/' | sort -u)
for target in $targets; do grep -q " id=\"$target\"" "$page" || echo "$target"; done >"$work/dangling"
[ ! -s "$work/dangling" ]; result links-lead-somewhere $? "$work/dangling"
# A title is the first thing in each svg.
same every-svg-has-a-title "$(grep -oE '<svg[ >]' "$page" | wc -l)" "$(grep -oE '<svg[^>]*> *<title' "$page" | wc -l)"
same every-drawing-has-words "$(grep -oE '<svg role="img"' "$page" | wc -l)" "$(grep -oE '<desc id="[^"]*">[A-Z]' "$page" | wc -l)"
# Commands of the page are what the shell takes them for.
sed -nE 's/.*<p class="source"><code>(.*)<\/code><\/p>/\1/p' "$page" | sed "s/&lt;/</g; s/&gt;/>/g; s/&quot;/\"/g; s/&#39;/'/g; s/&amp;/\&/g" >"$work/commands"
ran=0 wrong=0
while read -r program rest; do
    ran=$((ran + 1))
    (cd "$work" && eval "\"\$hindvisor\" $rest") >"$work/out" 2>&1 || wrong=$((wrong + 1))
done <"$work/commands"
[ $ran -ge 10 ] && [ $wrong = 0 ] && [ ! -e "$work/x" ]; result commands-of-the-page-run $? "$work/out"

# --- other traces ----------------------------------------------------------------------------------------
cp -r "$trace" "$work/damaged"
size=$(stat -c %s "$work/damaged/observations")
printf '\377\377\377\377' | dd of="$work/damaged/observations" bs=1 seek=$((size / 2)) conv=notrunc status=none
expect damaged-trace 1 'block' "$hindvisor" report "$work/damaged" -o "$work/damaged.html"
says damaged-page-says-so "$work/damaged.html" 'could not be read'
valid "$work/damaged.html"
cp -r "$trace" "$work/cut"
rm -f "$work/cut/observations.index" "$work/cut/inputs.index"
truncate -s -20 "$work/cut/observations" && truncate -s -20 "$work/cut/inputs"
sed -i 's/^finished: yes/finished: no/' "$work/cut/manifest"
expect unusable-trace 2 'manifest' "$hindvisor" report "$work/cut" -o "$work/cut.html"
[ ! -e "$work/cut.html" ]; result trouble-leaves-no-page $?
expect full-disk 2 'cannot write|space' bash -c "ulimit -f 8; '$hindvisor' report '$work/damaged' -o '$work/full.html'"
[ ! -e "$work/full.html" ] && [ ! -e "$work/full.html.new" ]; result full-disk-leaves-nothing $?
expect unknown-trace 2 'no trace|cannot|there is no' "$hindvisor" report "$work/nothing" -o "$work/n.html"
expect two-traces 2 'name one trace' "$hindvisor" report a b -o "$work/n.html"
report "$trace" --replay -o "$work/replayed.html"; result replay $? "$work/out"
grep -q 'Replays the same.</b> [1-9][0-9]* exits, [1-9][0-9]* state hashes, 0 divergences' "$work/replayed.html"
result replay-verdict-is-told $?

# What older traces do not have, and what a guest does not use, is said.
"$build/tests/tamper" "$trace" "$work/older" --version 2 >"$work/out" 2>&1
report "$work/older" -o "$work/older.html"; result report-of-an-older-trace $? "$work/out"
valid "$work/older.html"
says older-page-says-what-it-lacks "$work/older.html" 'format version 2, which has no records of requests' 'id="timers-programming"' \
    'Requests of interrupts</th><td><b>note</b> Format version 2'
! grep -qE 'id="timers-(fates|times|lateness|worst)"' "$work/older.html"; result older-page-has-no-lateness $?
must_record port_io "$work/timeless"
report "$work/timeless" --no-replay -o "$work/timeless.html"; result report-without-timers $? "$work/out"
valid "$work/timeless.html"
says without-timers-it-says-so "$work/timeless.html" 'No timer went off' 'The guest programmed no timer' 'Requests of interrupts</th><td><b>good</b> 0 were read'

# --- a Linux with tasks ----------------------------------------------------------------------------------
scheduler_guest
linux=$work/linux linux_page=$work/linux.html
timeout -k 5 300 "$hindvisor" record --processor software --quiet --kernel "$kernel" --initrd "$work/initrd" \
    --append "console=ttyS0 quiet" -o "$linux" >"$work/out" 2>&1 </dev/null
result linux-records $? "$work/out"
report "$linux" --no-replay -o "$work/early.html"; result report-without-a-replay $? "$work/out"
says without-a-replay-it-says-so "$work/early.html" 'that takes a replay' 'Not replayed</b> for this report'
[ ! -e "$linux/guest.cache" ]; result without-a-replay-leaves-no-cache $?
report "$linux" -o "$linux_page"; result report-of-a-linux $? "$work/out"
valid "$linux_page"
says replay-for-the-kernel-is-a-verdict "$linux_page" 'Replays the same.</b>'
[ -s "$linux/guest.cache" ]; result replay-for-the-kernel-leaves-its-cache $?
[ "$(stat -c %s "$linux_page")" -lt 3000000 ]; result less-than-3-MB $?
says kernel-is-named "$linux_page" 'Guest kernel</th><td><b>good</b> Linux version [0-9]' '<td class="text">io_serial_out\+0x'
report "$linux" --replay -o "$work/again.html"; result report-and-replay $? "$work/out"
cmp -s "$linux_page" "$work/again.html"; result the-same-from-the-cache $?

# Killed on the way: what was written is a page, up to there.
timeout -k 5 60 "$hindvisor" record --processor software --quiet --kernel "$kernel" --initrd "$work/initrd" \
    --append "console=ttyS0 quiet" -o "$work/killed" >"$work/out" 2>&1 </dev/null &
recorder=$!
for _ in $(seq 300); do
    [ "$(stat -c %s "$work/killed/observations" 2>/dev/null || echo 0)" -gt 300000 ] && break
    sleep 0.1
done
pkill -KILL -P $recorder
wait $recorder 2>/dev/null
report "$work/killed" -o "$work/killed.html" # 1: its end is torn
[ $? -le 1 ]; result report-of-a-killed-recording $? "$work/out"
valid "$work/killed.html"
says killed-page-says-so "$work/killed.html" 'Not whole.</b>' 'unfinished' 'up to where the recording was cut' 'id="scheduler-tasks"'

# An input is damaged: no replay, so no tasks; what the records say is there.
cp -r "$linux" "$work/bad-input"
rm "$work/bad-input/guest.cache"
size=$(stat -c %s "$work/bad-input/inputs")
printf '\377\377\377\377' | dd of="$work/bad-input/inputs" bs=1 seek=$((size / 2)) conv=notrunc status=none
expect report-of-damaged-inputs 1 'block' "$hindvisor" report "$work/bad-input" -o "$work/bad-input.html"
valid "$work/bad-input.html"
says damaged-inputs-have-no-tasks "$work/bad-input.html" "Nothing is known of the guest.*tasks: .*block" 'id="exits-reason"' 'Not replayed</b>'

# --- in the browser --------------------------------------------------------------------------------------
if ! command -v chromium >/dev/null; then
    echo "skip report-in-chromium (the package chromium is not installed)"
    exit $failed
fi
browse() { # URL OPTION...
    local url=$1
    shift
    nice timeout -k 5 120 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$(mktemp -d "$work/chromium-XXXXXX")" \
        --host-resolver-rules='MAP * ~NOTFOUND' --proxy-server=127.0.0.1:9 "$@" "$url" 2>>"$work/chromium.log"
}
# What scripts of ours see after they have run: the page with this one at its end, as text.
inspect() { # SCRIPT [OPTION...]
    local script=$1
    shift
    sed 's|</body>||; s|</html>||' "$page" >"$work/inspected.html"
    printf '<script>const said = [], say = (...words) => said.push(words.join(" "));\nonerror = message => say("error", message);\ntry {%s} catch (error) { say("error", error); }\ndocument.body.replaceChildren(); const out = document.body.appendChild(document.createElement("pre")); out.id = "said"; out.textContent = said.join("\\n");</script></body></html>' \
        "$script" >>"$work/inspected.html"
    browse "file://$work/inspected.html" "$@" --dump-dom | sed -n '/<pre id="said">/,/<\/pre>/p' | sed 's/.*<pre id="said">//; s/<\/pre>.*//; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g'
}

# Requests that a page caused have an initiator in the net log; those of the browser itself have none.
asked() { grep -oE '"initiator":"[^"]*"' "$1" | grep -vc '"not an origin"'; }
browse "file://$page" --dump-dom --log-net-log="$work/net.json" --enable-logging=stderr >"$work/dom"
result chromium $? "$work/chromium.log"
same title-is-the-traces-own 1 "$(grep -c '<title>a.*Hindvisor report</title>' "$work/dom")"
same no-complaints 0 "$(grep -cE 'CONSOLE.*(Error|Refused|Violat)' "$work/chromium.log")"
same nothing-is-asked-for 0 "$(asked "$work/net.json")"
# The same look at a page that asks, and at ours with such an image: the policy stops it.
echo '<img src="http://hindvisor.invalid/x">' >"$work/asks.html"
sed 's|</main>|<img src="http://hindvisor.invalid/x"></main>|' "$page" >"$work/stopped.html"
browse "file://$work/asks.html" --dump-dom --log-net-log="$work/asks.json" >/dev/null
browse "file://$work/stopped.html" --dump-dom --log-net-log="$work/stopped.json" >/dev/null
same policy-stops-what-would-be-asked '1 0' "$(grep -c hindvisor.invalid "$work/asks.json" | sed 's/[1-9].*/1/') $(asked "$work/stopped.json")"

# One look with scripts: a line for each fact, `NAME VALUE`.
inspect '
const rows = id => [...document.querySelectorAll(`#${id} tbody tr`)];
const table = id => say(id, rows(id).length, rows(id).map(r => r.querySelector("[data-v]").dataset.v).join(","));
for (const s of document.querySelectorAll("script.answer")) { const j = JSON.parse(s.textContent); say("answer", s.id, j[j.query.view].length); }
["exits-reason", "exits-port", "exits-rip", "exits-worst", "time-steps"].forEach(table);
const values = (id, title) => { const column = [...document.querySelectorAll(`#${id} th`)].findIndex(th => th.textContent.startsWith(title));
    say(id, rows(id).length, rows(id).map(r => r.cells[column].dataset.v ?? "null").join(",")); };
values("timers-fates", "Fired"); values("timers-times", "p99"); values("timers-programming", "Programmed"); values("timers-worst", "Lateness");
for (const kind of ["lateness", "jitter"]) {
    const curves = JSON.parse(document.querySelector(`#timers-${kind} .points`).textContent);
    say(kind, curves.yunit, curves.series.map(s => s.name + " " + Math.max(...s.y)).join(","));
}
const points = JSON.parse(document.querySelector("#exits-over-time .points").textContent);
say("plotted", Math.round(points.series.flatMap(s => s.y).reduce((a, b) => a + b, 0) * points.step / 1e9));
const offset = JSON.parse(document.querySelector("#time-offset .points").textContent);
say("offset-points", offset.x.length, offset.series.map(s => s.name).join(","));
const most = [...document.querySelectorAll(".points")].map(s => JSON.parse(s.textContent)).map(p => p.x.length * p.series.length);
say("most-points", Math.max(...most) <= 2000, most.length);
const sum = c => rows("exits-reason").reduce((a, r) => a + Math.round(100 * r.cells[c].textContent), 0) / 100;
say("shares", sum(2).toFixed(2), sum(3).toFixed(2));
const ids = [...document.querySelectorAll("[id]")].map(n => n.id);
say("labels", [...document.querySelectorAll("[aria-labelledby]")].every(n => n.getAttribute("aria-labelledby").split(" ").every(id => ids.includes(id))), ids.length === new Set(ids).size);
const press = (node, key, more = {}) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
const frame = document.querySelector("#exits-over-time .frame"), view = f => f.querySelector(".box").getAttribute("viewBox").split(" ");
const width = () => Math.round(view(frame)[2]), a = width();
press(frame, "+");
say("zoom", a, width(), new Set([...document.querySelectorAll(".zooms .across")].map(axis => axis.textContent)).size);
say("command", document.querySelector(".zoom output code").textContent.includes(" --from "));
press(frame, "0");
say("whole", width());
press(frame, "End");
say("readout", document.querySelector("#exits-over-time .readout").textContent);
press(frame, "Escape");
say("escaped", document.querySelector("#exits-over-time .readout").textContent === "");
const head = document.querySelectorAll("#exits-reason th")[1];
head.firstChild.click(); head.firstChild.click();
const sorted = rows("exits-reason").map(r => +r.cells[1].dataset.v);
say("sorted", head.getAttribute("aria-sort"), sorted.every((x, i) => !i || sorted[i - 1] <= x));' >"$work/facts"
told() { sed -n "s/^$1 //p" "$work/facts"; }
[ "$(told answer | wc -l)" -ge 8 ]; result answers-are-json $? "$work/facts"
same scripts-have-no-errors 0 "$(told error | wc -l)"
# As many rows, and the same numbers, as the command prints.
rows() { # COLUMN ARGUMENT...
    local column=$1
    shift
    "$hindvisor" analyze "$@" --format json | awk -v key="\"$column\":" '/^\{"/ && index($0, key) {
            v = substr($0, index($0, key) + length(key)); sub(/[,}].*/, "", v); list = list (n++ ? "," : "") v
        } /^\]/ { exit } END { print n, list }'
}
same rows-by-reason "$(rows samples exits "$trace" --rows 48)" "$(told exits-reason)"
same rows-by-port "$(rows samples exits "$trace" --by port --rows 12)" "$(told exits-port)"
same rows-by-instruction "$(rows samples exits "$trace" --by rip --rows 12)" "$(told exits-rip)"
same rows-of-worst "$(rows exit exits "$trace" --show worst --rows 20)" "$(told exits-worst)"
same rows-of-steps "$(rows exit time "$trace" --show steps --rows 20)" "$(told time-steps)"
same rows-of-timers "$(rows fired timers "$trace")" "$(told timers-fates)"
same times-of-timers "$(rows lateness_p99_ns timers "$trace")" "$(told timers-times)"
same rows-of-programming "$("$hindvisor" analyze timers "$trace" --format json | grep -oE '"programmed":[0-9]+' | awk -F: '{ list = list (n++ ? "," : "") $2 } END { print n, list }')" \
    "$(told timers-programming)"
same rows-of-late-firings "$(rows lateness_ns timers "$trace" --show worst --rows 20)" "$(told timers-worst)"
# Each curve ends at the largest of its kind; one of 0 is at 1 ns.
for kind in lateness jitter; do
    same "curves-of-$kind" "ns $("$hindvisor" analyze timers "$trace" --format csv | awk -F, -v kind=$kind 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        (max = $at[kind "_max_ns"]) != "" { printf "%s%s %s %d", (n++ ? "," : ""), $at["source"], $at["vector"], max ? max : 1 }')" "$(told $kind)"
done
same points-of-the-offset "$(rows time_ns time "$trace" --show freq --intervals 500 | cut -d' ' -f1) mean drift,ahead of the host" "$(told offset-points)"
same plots-have-all-exits "$("$hindvisor" info --format json "$trace" | grep -oE '"exits": *[0-9]+' | head -1 | grep -oE '[0-9]+')" "$(told plotted)"
same at-most-2000-points true "$(told most-points | cut -d' ' -f1)"
same shares-add-up '100.00 100.00' "$(told shares)"
same labels-lead-somewhere 'true true' "$(told labels)"
same keys-zoom-all-plots-together '1000 500 1' "$(told zoom)"
same zoom-has-its-command true "$(told command)"
same keys-show-all 1000 "$(told whole)"
told readout | grep -qE '^[0-9].*s.*· '; result keys-read-out $? "$work/facts"
same escape-hides-the-cursor true "$(told escaped)"
same tables-sort 'ascending true' "$(told sorted)"

# --- scripts off -----------------------------------------------------------------------------------------
sed "s/script-src 'unsafe-inline'/script-src 'none'/" "$page" >"$work/noscript.html"
browse "file://$work/noscript.html" --dump-dom >"$work/noscript.dom"
same without-scripts-plots-are-there "$(grep -oE '<svg role="img"' "$page" | wc -l)" "$(grep -oE '<svg role="img"' "$work/noscript.dom" | wc -l)"
same without-scripts-tables-are-there "$(grep -c '<tr>' "$page")" "$(grep -c '<tr>' "$work/noscript.dom")"
same without-scripts-no-buttons 0 "$(sed '/<script>/,/<\/script>/d' "$work/noscript.dom" | grep -c '<button')"
browse "file://$page" --no-pdf-header-footer --print-to-pdf="$work/report.pdf" >/dev/null
[ "$(head -c 5 "$work/report.pdf" 2>/dev/null)" = %PDF- ]; result prints $? "$work/chromium.log"

# --- tasks in the browser --------------------------------------------------------------------------------
page=$linux_page
browse "file://$page" --dump-dom --log-net-log="$work/linux-net.json" --enable-logging=stderr >"$work/dom"
same nothing-is-asked-for-by-tasks 0 "$(asked "$work/linux-net.json")"
same no-complaints-about-tasks 0 "$(grep -cE 'CONSOLE.*(Error|Refused|Violat)' "$work/chromium.log")"
inspect '
const rows = id => [...document.querySelectorAll(`#${id} tbody tr`)];
const table = (id, title) => { const column = [...document.querySelectorAll(`#${id} th`)].findIndex(th => th.textContent.startsWith(title));
    say(id, rows(id).length, rows(id).map(r => r.cells[column].dataset.v).join(",")); };
table("scheduler-tasks", "Run"); table("scheduler-worst", "Waited"); table("interrupts-vectors", "Injected"); table("timers-fates", "Fired"); table("timers-worst", "Lateness");
const firings = rows("timers-worst").map(r => ({ exits: [5, 7].map(c => +r.cells[c].dataset.v), range: r.querySelector(".commands").textContent.match(/--from (\d+) --to (\d+)/).slice(1).map(Number), row: r }));
say("firings", firings.every(f => f.range[0] <= f.exits[0] && f.exits[1] <= f.range[1]), firings.some(f => f.exits[1] > f.exits[0] + 5),
    firings.every(f => f.row.cells[6].contains(f.row.querySelector("button.link"))));
const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const numbers = text => { const list = []; let value = 0, shift = 1;
    for (const c of text) { const d = digits.indexOf(c); value += (d & 31) * shift; shift *= 32; if (!(d & 32)) { list.push(value); value = 0; shift = 1; } }
    return list; };
const amount = text => { const n = numbers(text); let sum = 0; for (let i = 0; i < n.length;) { const odd = n[i] % 2, length = n[i + 1]; i += 2; sum += odd ? n[i++] : length; } return sum; };
const lanes = JSON.parse(document.querySelector("#lanes .spans").textContent).lanes;
say("vcpu", lanes[0].bands.slice(0, 2).map(b => amount(b.spans)).join(" "));
for (const lane of lanes.slice(1)) say("lane", lane.bands.map(b => amount(b.spans)).join(" "), lane.name);
say("curves", JSON.parse(document.querySelector("#scheduler-curves .points").textContent).series.map(s => s.name).join(","),
    JSON.parse(document.querySelector("#interrupts-curves .points").textContent).series.every(s => /^0x/.test(s.name)));
const figure = document.querySelector("#lanes"), frame = figure.querySelector(".frame"), drawn = () => figure.querySelector(".box").innerHTML;
const ends = () => [...document.querySelectorAll(".zooms .across")].map(axis => axis.textContent), said = () => document.querySelector(".zoom output").textContent;
const before = drawn(), edge = frame.querySelector("svg").getBoundingClientRect();
const wheel = more => frame.dispatchEvent(new WheelEvent("wheel", { clientX: edge.left + edge.width / 2, bubbles: true, cancelable: true, ...more }));
say("plain-wheel", wheel({ deltaY: -100 }), drawn() === before);
say("zoom-wheel", wheel({ deltaY: -100, ctrlKey: true }), drawn() !== before, new Set(ends()).size);
const zoomed = said();
say("move-wheel", wheel({ deltaY: 100, shiftKey: true }), said() !== zoomed);
const link = rows("scheduler-worst")[0].querySelector("button.link"), at = +rows("scheduler-worst")[0].dataset.at;
link.click();
const [, from, to] = said().match(/timehist --from (\d+)ns --to (\d+)ns/);
say("event", +from < at && at < +to, figure.querySelector(".cursor").getAttribute("visibility"), figure.querySelector(".readout").textContent.length > 20);
frame.dispatchEvent(new KeyboardEvent("keydown", { key: "0", bubbles: true, cancelable: true }));
say("whole", said() === "");' >"$work/facts"
same scripts-have-no-errors-with-tasks 0 "$(told error | wc -l)"
same rows-of-tasks "$(rows run_ns scheduler "$linux" --show latency --rows 24)" "$(told scheduler-tasks)"
same rows-of-waits "$(rows delay_ns scheduler "$linux" --show worst --rows 20)" "$(told scheduler-worst)"
same rows-of-firings-of-a-linux "$(rows fired timers "$linux")" "$(told timers-fates)"
same rows-of-late-firings-of-a-linux "$(rows lateness_ns timers "$linux" --show worst --rows 20)" "$(told timers-worst)"
same late-firings-lead-to-their-exits 'true true true' "$(told firings)"
same rows-of-vectors "$(rows injected interrupts "$linux" --rows 48)" "$(told interrupts-vectors)"
# Each lane has all the time that its task ran and waited, and together they have all tasks.
"$hindvisor" analyze scheduler "$linux" --show latency --format csv 2>>"$work/out" |
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { printf "%d %s %d\n", $at["run_ns"], $at["task"], $at["pid"] }' >"$work/tasks"
told lane | awk '{ run = $1; sub(/^[0-9]+ [0-9]+ [0-9]+ /, ""); print run, $0 }' >"$work/lanes"
same lanes-have-the-run-times-of-their-tasks "$(head -n -1 "$work/lanes" | sort)" "$(grep -xFf <(head -n -1 "$work/lanes") "$work/tasks" | sort)"
same lanes-have-all-run-time "$(awk '{ sum += $1 } END { printf "%d", sum }' "$work/tasks")" "$(awk '{ sum += $1 } END { printf "%d", sum }' "$work/lanes")"
same lanes-of-the-busiest "$(sort -rn "$work/tasks" | head -12 | sort)" "$(head -12 "$work/lanes" | sort)"
same vcpu-lane-adds-up "$("$hindvisor" analyze exits "$linux" --show activity --format csv | awk -F, 'NR > 1 { g += $3; h += $4 } END { printf "%d %d", g, h }')" "$(told vcpu)"
same curves-of-waits-and-vectors 'wakeup,preempted true' "$(told curves)"
same wheel-scrolls-the-page 'true true' "$(told plain-wheel)"
same wheel-with-ctrl-zooms-all 'false true 1' "$(told zoom-wheel)"
same wheel-with-shift-moves 'false true' "$(told move-wheel)"
same events-lead-to-their-time 'true visible true' "$(told event)"
same all-is-shown-again true "$(told whole)"
sed "s/script-src 'unsafe-inline'/script-src 'none'/" "$page" >"$work/noscript.html"
browse "file://$work/noscript.html" --dump-dom >"$work/noscript.dom"
strips=$(grep -oE '<path class="strip' "$page" | wc -l)
[ "$strips" -ge 40 ]; result lanes-are-drawn $?
same without-scripts-lanes-are-there "$strips" "$(grep -oE '<path class="strip' "$work/noscript.dom" | wc -l)"

exit $failed
