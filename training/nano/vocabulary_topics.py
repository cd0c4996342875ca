"""What customers write about: names and meanings of each topic, sentences of customers, sentences of agents (data only).

`messages` is a list of customer sentences; its last `world.HELD_BACK` entries are worded as no training message is.
`replies` are (neutral, formal, casual).
"""

# fmt: off
from typing import TypedDict


class Topic(TypedDict):
    """One topic of the desk."""

    names: list[str]
    meanings: list[str]
    messages: list[str]
    replies: tuple[str, str, str]


TOPICS: dict[str, Topic] = {
    "delivery": {
        "names": ["Shipping", "Delivery", "Parcels", "Logistics", "Shipment", "Transport"],
        "meanings": ["late or lost parcels", "deliveries that have not arrived", "where a parcel is", "shipping problems", "an order that has not come", "parcel tracking",
                     "parcels on the way", "late deliveries", "a package that never came", "lost packages", "a courier who did not come", "delivery delays"],
        "messages": [
            "[My|The|Our] {p} has [still |]not [arrived|come|turned up|been delivered][ yet|].", "I ordered {it} [{n} weeks|{n} days|a month] ago and [nothing came|it never arrived|it is not here].",
            "The [parcel|package|shipment|delivery] with [my|the] {p} is [late|overdue|delayed|lost].", "Where is [the parcel with |the package with |]my {p}?",
            "The tracking [page|number|link] has not [changed|moved] for {n} days[ and my {p} is not here|].", "I [have been|am] [waiting|still waiting] for the {p} [for {n} days|since {day}].",
            "The [courier|driver|postman] never [brought|delivered|dropped off] the {p}.", "The delivery of [my|the] {p} is [overdue by {n} days|very late].",
            "[My|The] {p} was shipped {n} days ago but [it is not here|nothing arrived|I got nothing].", "The [driver|courier] says [the {p}|it] was delivered, but I [got|have] no [parcel|package].",
            "[Can|Could] you [find out|check|tell me] where [my {p}|my order|the parcel] is?", "The [parcel|package] [seems to be|must be] lost, I never [received|saw] the {p}.",
            "[When|On which day] will [my {p}|the {p}|my parcel] [arrive|be delivered|get here]?", "[It|The {p}] should have [arrived|been here] on {day}, [but it did not|where is it]?",
            "[Any news|Is there any news] about [the delivery|my parcel|the shipment] of the {p}?", "[According to|The app of] the carrier [|says ]my {p} is [stuck|still] in {c}.",
            "I [never|did not] [received|receive] [the {p}|my order|my parcel][ that I paid for|].", "[Delivery|Shipping] of the {p} takes [far too|so] long.",
            "I am still waiting for the courier to bring the {p}.", "The tracking says lost, so where is my {p}?", "Nothing has arrived after {n} weeks, the {p} is late.",
            "My {p} was meant to come on {day} and my doorstep is empty."],
        "replies": ("We will trace the parcel with the {p} today.", "We apologise and will trace the shipment of the {p} without delay.", "Oh no, we will hunt down your {p} right now!")},
    "refund": {
        "names": ["Refunds", "Money back", "Reimbursement", "Repayments", "Refund desk"],
        "meanings": ["customers who want their money back", "refund requests", "requests for repayment", "money to be returned", "asks for money back",
                     "money that was not paid back", "missing refunds", "customers who wait for their money", "a refund that is late", "paying back money"],
        "messages": [
            "I want [my money|the money|a refund] [back |]for the {p}.", "Please [refund|reimburse|repay] [the {p}|me for the {p}|my {p}].", "I [returned|sent back] the {p} and [still have|got] no refund.",
            "When [will I|do I] get [the|my] money back[ for the {p}|]?", "I sent the {p} back {n} [weeks|days] ago and [the refund is missing|no money came].", "I [would like|demand|ask for|expect] a [full |]refund [for|of] the {p}.",
            "[The {p} is not for me|I do not like the {p}], please [return|give back] my money.", "You promised [a refund|my money back] [for the {p} |]{n} days ago.", "How do I get [my money back|a refund|reimbursed] for the {p}?",
            "The refund [for|of] my {p} has not [reached|arrived in] my [bank|account].", "[Give|Pay] me my money back, I [do not want|sent back] the {p}.", "I am [entitled to|owed] a refund [for|of] the {p}.",
            "[Still no|Where is the|Where is my] refund for the {p}?", "[The money|My {a} euros] for the {p} [has|have] not been [paid back|returned|refunded].", "[I want|Please give me] [back the|the] {a} euros [that I paid|I spent] for the {p}.",
            "My account shows no [repayment|reimbursement|refund] for the [returned |]{p}.", "The [repayment|reimbursement] [of|for] the {p} is [overdue|missing|late].",
            "I still have no money back for the {p} that I returned.", "My bank shows no refund for the {p}.", "Please pay the money back that I spent on the {p}.",
            "The {p} went back to you, so I would like to see my cash again."],
        "replies": ("We will refund the {p} within five days.", "We will return the full amount for the {p} within five days.", "No worries, the money for your {p} is on its way!")},
    "billing": {
        "names": ["Billing", "Invoices", "Payments", "Accounting", "Charges"],
        "meanings": ["wrong invoices and double charges", "problems with an invoice or a charge", "billing errors", "a bill that is wrong", "payment questions",
                     "a charge that is wrong", "customers who paid twice", "errors on the invoice", "wrong amounts on a bill", "double payments"],
        "messages": [
            "I was [charged|billed] [twice|two times|{n} times] for the {p}.", "The [invoice|bill] for the {p} [shows|has|lists] the wrong [amount|total|tax|name].", "My [card|credit card|account] was [charged|debited] [twice|{n} times] for [one|the] {p}.",
            "There is [a mistake|an error] on the [bill|invoice] [for my|of the] {p}.", "I need a [corrected|new|proper] [invoice|bill|receipt] for the {p}.", "Why does the [bill|invoice] [for the {p} |]list {n} items?",
            "The [amount|total|sum] on my [invoice|bill] [for the {p} |]is [too high|wrong|not right].", "I never got [an invoice|a bill|a receipt] for the {p}.", "You took the payment for the {p} [two times|twice].",
            "My [credit card|bank] statement shows a double [charge|payment] for the {p}.", "Please send the [bill|invoice|receipt] for the {p} [again|by mail].", "[Why was I charged|You charged me] {a} euros [too much |more ]for the {p}[?|.]",
            "The [tax|discount|total] on the [bill|invoice] [for the {p} |]is [wrong|missing].", "The payment for the {p} [failed|did not go through|was declined].", "[Can I|May I] pay the [bill|invoice] for the {p} [later|in parts|by card]?",
            "I got a [reminder|payment reminder] for the {p} [although|but] I [have |]paid.", "[My|The] invoice [number {a} |]does not match the {p}.",
            "The bill for the {p} has the wrong tax.", "I paid the invoice for the {p} but was charged again.", "My card statement lists a wrong amount for the {p}.",
            "Somebody added {a} euros to what I owe for the {p}."],
        "replies": ("We will correct the invoice for the {p}.", "We apologise for the error and will issue a corrected invoice for the {p}.", "Oops, we will fix the bill for your {p}!")},
    "login": {
        "names": ["Account", "Login", "Access", "Sign in", "Passwords"],
        "meanings": ["password and account problems", "customers who cannot log in", "access to the account", "login trouble", "cannot get into the account",
                     "a password that does not work", "customers who cannot sign in", "a locked account", "problems with the password", "logging in"],
        "messages": [
            "I [cannot|can't|am unable to] [log in|sign in|get in][ to my account|].", "My password [does not|doesn't] work [any more|anymore].", "The [reset mail|reset link|mail] for my password never [comes|arrives].",
            "My account [is|has been] [locked|blocked|closed] [since {day}|for {n} days|].", "I [forgot|lost] my password [and cannot sign in|].", "The [website|app|page] [does not|won't] accept my [login|password|user name].",
            "I cannot register my {p} because the account page [rejects me|shows an error].", "The app [for|of] the {p} logs me out [all the time|every day].", "How do I [reset|change|recover] [the|my] password[ for the {p} app|]?",
            "My user name is [not known|unknown] to your [website|app].", "I get an error when I [sign in|log in] to the {p} app.", "The [code|link] to unlock my account [never arrives|does not work|has expired].",
            "[Please|Can you] [unlock|unblock|reset|restore] my account[?|.]", "[It says|The page says] [wrong password|unknown user|access denied] [when I log in|each time].", "I have no access to my [customer |online |]account[ since {day}| any more|].",
            "[The login|Signing in|The sign-in page] [fails|does not work|is broken] [on my phone|for me|since {day}].", "The two [step|factor] code for my [login|account] never comes.",
            "I cannot sign in, the password is rejected.", "My login for the {p} app is locked.", "The website says that my account does not exist.",
            "I am shut out of my profile and no password helps."],
        "replies": ("We have reset the password of your account.", "We have restored the access to your account; please sign in again.", "All set, your account is open again!")},
    "damage": {
        "names": ["Damage", "Broken items", "Breakage", "Damaged goods", "Transport damage"],
        "meanings": ["items that arrived broken", "damaged goods", "things broken on arrival", "cracks, dents and scratches", "an item that came damaged",
                     "a product that is broken or scratched", "goods damaged on the way", "dents and scratches", "something that arrived broken", "cracked items"],
        "messages": [
            "The {p} [arrived|came|was delivered] [broken|damaged|cracked|smashed|in pieces].", "[My|The] [new |]{p} has [a big|a|a huge] [crack|dent|scratch|hole|tear].", "The box was [crushed|torn|open|wet] and the {p} is [damaged|broken].",
            "The {p} came with [a scratch|a dent|a crack|{n} scratches] on the [side|front|top|back].", "When I opened the [box|parcel], the {p} was [in pieces|broken|shattered].", "The [glass|case|frame|screen|handle] of the {p} is [cracked|broken|bent|shattered].",
            "The {p} is [bent|scratched|chipped] [and has a dent|on one side].", "I [got|received] a [damaged|broken|scratched|cracked] {p}.", "The new {p} has {n} [scratches|dents|cracks][ and a dent|].",
            "The {p} was [smashed|crushed|broken] when I [unpacked|opened] it.", "[Your|The] [courier|driver] dropped the box and the {p} is [broken|damaged].", "The [case|surface|corner|edge] of the {p} [is|was] [cracked|damaged|dented] on arrival.",
            "[Something|The {p}] must have [fallen|been dropped], [it|the {p}] is [all |]broken.", "[Look at|See] the photos, [my|the] {p} is full of [scratches|cracks|dents].", "[A corner|One leg|One side] of the {p} is [broken off|cracked|dented].",
            "The {p} got [damaged|broken|scratched] [in transit|during transport|on the way].", "The [packaging|box] was damaged and [so is|now] the {p}[| is broken].",
            "I unpacked a broken {p} with a crack.", "The {p} came out of the box with a dent.", "The box was damaged and so is the {p}.",
            "Shards everywhere, my {p} did not survive the trip."],
        "replies": ("We will send you a new {p} for the damaged one.", "We sincerely apologise and will replace the damaged {p}.", "So sorry, a fresh {p} is coming your way!")},
    "parts": {
        "names": ["Spare parts", "Missing parts", "Accessories", "Incomplete", "Parts"],
        "meanings": ["missing parts and accessories", "incomplete boxes", "parts that are not in the box", "something is missing", "an incomplete delivery",
                     "a part that is missing", "something missing in the box", "boxes that are not complete", "missing screws and cables", "lost parts"],
        "messages": [
            "The [cable|plug|lid|charger|adapter|strap] of the {p} was [not in the box|missing|left out].", "The {p} came without [the|its|a] [manual|cable|cover|screws|battery|lid].", "There are {n} [screws|parts|pieces|bolts] missing [for|in] the {p}.",
            "[The|My] {p} is [incomplete|not complete].", "I [miss|cannot find] the [lid|cable|manual|key|filter] of the {p}.", "The bag with the [screws|parts|small parts] for the {p} is [missing|not there].",
            "The [adapter|remote control|stand|charger] [for|of] the {p} was not included.", "One [part|piece|wheel|foot] of the {p} is missing[ in the box|].", "The {p} has no [plug|cable|lid|battery], it was not in the box.",
            "I cannot [build|assemble|set up] the {p} because {n} [parts|pieces|screws] are missing.", "[Please|Can you] send me the missing [screws|cable|part|piece] [for|of] the {p}[?|.]", "[Where can I get|Do you sell|I need] [spare parts|a spare part|a new filter|a spare lid] for the {p}[?|.]",
            "[The box|The parcel] [did not contain|was missing] the [cable|manual|charger|screws] [for|of] the {p}.", "[No|There was no] [cable|manual|charger|cover] [in the box|included] with [my|the] {p}.",
            "The list says {n} parts, but [I got fewer|one is missing] [for|with] the {p}.", "[Half|Some] of the [parts|accessories|pieces] of the {p} [are|were] [missing|not included].",
            "The manual and the cable of the {p} are missing.", "There was no adapter in the box of the {p}.", "My {p} is incomplete, {n} screws are missing.",
            "I counted the pieces of the {p} twice and am short of {n}."],
        "replies": ("We will send the missing part of the {p}.", "We regret the oversight and will dispatch the missing part of the {p}.", "Got it, the missing bit of your {p} ships today!")},
    "repair": {
        "names": ["Repair", "Technical", "Service", "Malfunction", "Tech support", "Defects"],
        "meanings": ["devices that stopped working", "repairs and defects", "a product that no longer works", "technical faults", "a device that fails",
                     "a device that is defective", "something that stopped working", "products that do not work any more", "defects", "a machine that fails"],
        "messages": [
            "[My|The] {p} stopped working [after {n} months|yesterday|on {day}].", "The {p} [does not|won't|doesn't] [switch on|turn on|start|react][ any more|].", "The {p} makes [a strange noise|strange noises|a loud noise].",
            "The {p} gets very hot and [turns off|stops|smells].", "[My|The] {p} needs [a repair|to be repaired|fixing].", "The [button|switch|screen|handle] of the {p} does not [react|work|respond].",
            "The {p} shows an error and [stops|turns off|freezes].", "After {n} [weeks|months] the {p} is [dead|defective|out of order].", "The {p} turns [off|itself off] after {n} minutes.",
            "The [motor|battery|cable] of the {p} [smells burnt|is dead|overheats].", "The [display|screen|light] of the {p} [stays dark|flickers|is black].", "The {p} no longer [starts|works|charges|heats].",
            "[Can|Could] you [repair|fix] [my|the] {p}?", "[My|The] {p} [is defective|has a defect|is faulty|fails] [after {n} weeks|since {day}|all the time].", "[Since {day}|Since the update] the {p} [freezes|crashes|does nothing|blinks red].",
            "[What can I do if|Help,] the {p} [does not work|keeps failing|will not charge][?|.]", "The {p} [leaks|smokes|rattles|buzzes] [when I use it|all the time].",
            "The {p} makes noise and does not start.", "My {p} turns off and shows an error.", "Since {n} days the {p} does not switch on.",
            "I press everything, yet the {p} shows no sign of life."],
        "replies": ("We will repair the {p} for free.", "Please send the {p} to our workshop; the repair is free of charge.", "Pop the {p} in a box and we will fix it!")},
    "cancel": {
        "names": ["Cancellation", "Cancel orders", "Withdrawals", "Order stop", "Cancellations"],
        "meanings": ["customers who cancel an order", "orders to be cancelled", "stopping an order", "wants to stop an order", "cancels a purchase",
                     "customers who want to cancel", "cancelled orders", "stopping a purchase", "a customer who no longer wants the order", "cancelling"],
        "messages": [
            "Please cancel [my order|the order][ for the {p}| of the {p}|].", "I do not [need|want] the {p} any more, [please |]cancel it.", "I ordered {it} by mistake, please [stop|cancel] the order.", "Can I still cancel [the {p}|my order|the order of the {p}]?",
            "I want to [withdraw|cancel|stop] my order [of|for] the {p}.", "Stop the order of the {p} before it [ships|is sent].", "I found a [better|cheaper] offer, so [please |]cancel the {p}.", "Please [delete|cancel|stop] my order of {n} [units of the {p}|{p}s].",
            "I changed my mind about the {p}, [please cancel|cancel the order].", "Cancel the order [that I placed {n} hours ago|from {day}|for the {p}].", "I [would like|want|need] to cancel the {p}[ that I ordered|].", "Do not send the {p}, I [cancel|am cancelling] the order.",
            "[How|Where] [do|can] I cancel [my order|the {p}|an order]?", "[Is it|Is it still] possible to [cancel|stop] the [order|purchase] of the {p}?", "[I no longer need|We no longer want] the {p}, so [stop|cancel] [it|the order].",
            "[The order|My order] for the {p} [should|must] be [cancelled|stopped|annulled].", "Please [annul|call off|revoke] [my|the] [order|purchase] of the {p}.",
            "Please stop and delete my order for the {p}.", "I ordered the {p} twice by mistake, cancel one.", "I withdraw from the order of the {p}.",
            "Forget about the {p} that I ordered, I will not take it."],
        "replies": ("Your order of the {p} is cancelled.", "As requested, we have cancelled your order of the {p}.", "Done, the order of the {p} is gone!")},
    "address": {
        "names": ["Address", "Moving", "Change of address", "Contact data", "Addresses"],
        "meanings": ["changes of address", "customers who have moved", "a new postal address", "a wrong address", "where to send things in future",
                     "a customer who moved", "a new address", "sending to another address", "changing the address", "moving house"],
        "messages": [
            "I [have |]moved to {c}, please [change|update] my address.", "My new address is in {c}.", "Please [send|ship|deliver] the {p} to my new [flat|house|home] in {c}.", "The address in my account is [old|wrong|out of date], I now live in {c}.",
            "I moved [house |]{n} weeks ago, please [update|change] my address.", "[Can|Could] you ship the {p} to my [office|parents|new place] in {c}?", "The [street|house number|postcode] in my address is [wrong|old].", "I need to [change|correct|update] the [postal|delivery] address[ for the {p}|].",
            "We are moving to {c} [next week|on {day}|in {month}].", "Please use my [new |other |]address in {c}[ for the {p}|].", "My [house number|street] has changed[ to {n}|].", "[Update|Change|Correct] my address, I no longer live in {c}.",
            "[From {day}|From {month}] [I|we] live in {c}, [please note|here is] the new address.", "You [have|still use] my old address[ in {c}|].", "[How|Where] can I [change|update|edit] my [delivery |postal |]address?",
            "I gave [the|a] wrong [street|address|postcode] for the {p}.", "The {p} [must|should] go to [another|a different] address[ in {c}|].",
            "I now live in {c}, my old address is wrong.", "Please change the street for the {p} order.", "We moved to a new flat in {c}.",
            "Mail for me goes to {c} from now on."],
        "replies": ("We have changed your address.", "We have updated the address in your account as requested.", "New place, nice! Your address is updated!")},
    "exchange": {
        "names": ["Exchange", "Swap", "Wrong item", "Replacement", "Exchanges"],
        "meanings": ["wrong size, colour or item", "customers who want to swap an item", "exchanges", "the wrong product was sent", "wants another size or colour",
                     "swapping a product", "a customer who wants another colour", "items to be exchanged", "a wrong size", "a wrong item in the parcel"],
        "messages": [
            "I [got|received] a {k} {p} but I ordered a {k2} one.", "The {p} is too [small|big|large|tight], I [want|need] a [bigger|smaller|different] one.", "You [sent|shipped] me the wrong [{p}|item instead of the {p}].", "I would like to [swap|exchange|change] the {p} for a {k} one.",
            "The colour of the {p} is wrong, [it should be|I ordered] {k}.", "Can I [exchange|swap] the {p} for a [larger|smaller|{k}] one?", "The {p} is the wrong [model|size|version|colour].", "I ordered the {k} {p} and got [another colour|a {k2} one].",
            "The size of the {p} does not fit, please [exchange|swap] it.", "Please [swap|exchange] my {p} for the {k} [model|version|one].", "This is not the {p} that I ordered.", "I want to [exchange|swap] the {k} {p}.",
            "[Instead of|I wanted] a {k} {p} [I got|and received] a {k2} one.", "[Could|Can] I [have|get] the {p} in {k} [instead|rather than {k2}]?", "[A different|Another|The wrong] {p} was in the [box|parcel].",
            "The {p} does not [fit|suit me], [do you have|I need] [another size|a bigger one|a smaller one][?|.]", "[I picked|I chose] the wrong [size|colour] of the {p}, [can we swap it|please exchange it][?|.]",
            "The {p} came in {k}, that is the wrong colour.", "Please exchange my {p}, the size is wrong.", "You sent a {k} {p}, I want to swap it.",
            "I asked for {k} and unpacked a {k2} {p}."],
        "replies": ("We will swap the {p} for the right one.", "We will gladly exchange the {p} free of charge.", "Sure thing, we will swap the {p}!")},
    "praise": {
        "names": ["Praise", "Compliments", "Thanks", "Positive feedback", "Applause"],
        "meanings": ["customers who say thank you", "positive feedback", "happy customers", "compliments", "praise for a product or the team",
                     "customers who are happy", "thanks and praise", "a customer who likes the product", "kind words", "praise"],
        "messages": [
            "I [love|adore|really like] my new {p}.", "The {p} is [great|super|amazing|excellent], thank you[ so much|].", "Your team was [very kind|so helpful|great] [to me|today|on the phone].", "The {p} works [perfectly|wonderfully|like a charm], [well done|great job|thanks].",
            "I am very [happy|pleased|satisfied] with the {p}.", "Best {p} [that I ever had|ever|in years].", "The {p} came [fast|quickly] and looks [wonderful|great|lovely].", "I just want to say that the {p} is [fantastic|brilliant|lovely].",
            "My whole family [enjoys|loves] the {p}.", "After {n} [weeks|months] I still love the {p}.", "Five stars for the {p}.", "What a [wonderful|beautiful|great] {p}, thank you.",
            "[Thanks|Thank you] for the [great|quick|friendly] [help|service|delivery][ with the {p}|].", "[Everyone|All my friends] [admires|wants] [my|the] {p}.", "I [will|would] [gladly |]recommend [the {p}|your shop] to [everyone|my friends].",
            "The {p} is [even better than|all that] I hoped[ for|].", "[Keep up the good work|Well done], the {p} is [a joy|perfect|top].",
            "We are happy, the {p} is wonderful.", "Great work, I enjoy my {p} every day.", "The {p} is perfect and your team is fantastic.",
            "Hats off to you, the {p} makes me smile."],
        "replies": ("Thank you for your kind words about the {p}.", "We are most grateful for your kind words about the {p}.", "Yay, we are so glad that you love the {p}!")},
}
ACTIONS = {"delivery": "trace the parcel", "refund": "pay the money back", "billing": "correct the invoice", "login": "restore the access",
           "damage": "send a replacement", "parts": "send the missing part", "repair": "repair the item", "cancel": "cancel the order",
           "address": "change the address", "exchange": "exchange the item", "praise": "say thank you"}
ISSUES = {"delivery": "the parcel is late", "refund": "a refund is wanted", "billing": "the bill is wrong", "login": "the login fails",
          "damage": "the item is damaged", "parts": "a part is missing", "repair": "the item does not work", "cancel": "the order is to be cancelled",
          "address": "the address has changed", "exchange": "the wrong item came", "praise": "the customer is happy"}
