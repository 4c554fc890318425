#!/bin/bash
# The report of recorded guests in headless Chromium: rows and numbers equal what `hindvisor analyze`
# prints, nothing is asked of the network, scripts off it is all there, keys work, the structure is
# valid, and damaged, unfinished and hostile traces give a page that says so.
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

# A name and a command line that try to get out of attributes, elements, scripts and the shell.
evil="a\"><img src=x onerror=alert(1)>'\$(touch x)<script>\`é"
trace="$work/$evil"
must_record pc_timers "$trace" --append "</td><script>document.title='owned'</script>"

# --- without a browser ---------------------------------------------------------------------------------
report "$trace" -o "$page"; result report $? "$work/out"
"$hindvisor" report "$trace" >"$work/stdout.html" 2>"$work/out"
cmp -s "$page" "$work/stdout.html"; result the-same-on-stdout $?
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
[ $ran -ge 8 ] && [ $wrong = 0 ] && [ ! -e "$work/x" ]; result commands-of-the-page-run $? "$work/out"

# --- other traces ----------------------------------------------------------------------------------------
cp -r "$trace" "$work/damaged"
size=$(stat -c %s "$work/damaged/observations")
printf '\377\377\377\377' | dd of="$work/damaged/observations" bs=1 seek=$((size / 2)) conv=notrunc status=none
expect damaged-trace 1 'block' "$hindvisor" report "$work/damaged" -o "$work/damaged.html"
grep -q 'could not be read' "$work/damaged.html"; result damaged-page-says-so $?
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
["exits-reason", "exits-port", "exits-rip", "exits-worst"].forEach(table);
const points = JSON.parse(document.querySelector("#exits-over-time .points").textContent);
say("plotted", Math.round(points.series.flatMap(s => s.y).reduce((a, b) => a + b, 0) * points.step / 1e9));
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

exit $failed
