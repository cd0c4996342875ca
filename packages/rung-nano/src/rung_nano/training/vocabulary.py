"""Name parts and small phrases of the invented world (data only, no logic).

Phrases use a small notation: ``[a|b|c]`` stands for one of the alternatives, ``{p}`` for a value (see `world.World.say`).
"""

# fmt: off


NAMES = """Anna Ben Carla David Elena Felix Greta Hugo Ines Jonas Karin Leo Maria Nora Oscar Paula Quentin Rosa Simon Tara Uwe
Vera Willem Yara Zoe Adam Bella Chris Dora Emil Fiona George Hanna Ivan Julia Kevin Laura Martin Nina Olga Peter Ruth Samuel
Tina Viktor Wanda Amir Bianca Cem Daria Eva Frank Gloria Henry Ida Jack Kira Liam Mona Nils Priya Omar Mei Sven Aisha Luca
Noah Emma Mia Paul Lena Marco Sofia Erik Ingrid Tomas Clara Max Amelie Jan Pia Ravi Sara Tim Ute Aaron Alice Bruno Celine
Diego Esther Farid Gina Hassan Iris James Kate Louis Mark Naomi Otto Petra Rachel Stefan Theo Ursula Victor Wendy""".split()

NOUNS = """kettle lamp heater blender speaker monitor keyboard backpack bicycle camera drone fan grill headset iron jacket mixer
mattress oven printer radio router scale scooter tablet tent toaster vacuum watch charger desk chair helmet kayak mug bottle
pillow blanket sofa bed table shelf clock mirror phone laptop mouse coffee-maker juicer pan pot knife suitcase wallet umbrella
boots shoes coat sweater shirt gloves hat piano guitar drill saw hammer ladder lawnmower hose freezer fridge dishwasher washer
dryer sensor thermostat doorbell projector console puzzle stroller skateboard treadmill rug curtain""".split()

CITIES = """Berlin Lyon Porto Gdansk Vienna Malmo Turin Leeds Ghent Basel Zagreb Cork Split Bern Graz Oslo Madrid Riga Bonn Lille
Krakow Naples Seville Aarhus Tampere Utrecht Bath York Nantes Parma""".split()
COLOURS = "blue red green black white grey silver orange purple yellow brown pink beige navy gold turquoise".split()
MATERIALS = """steel oak glass bamboo cotton leather aluminium wool cork ceramic plastic linen nylon walnut copper felt rubber
titanium silk recycled-plastic stainless-steel""".replace("-", "_").split()
COUNTRIES = "Portugal Poland Italy Germany Spain Austria Sweden Japan Vietnam Canada Denmark Estonia Mexico France Ireland".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
RELATIVES = "my wife;my husband;my son;my daughter;my mother;my father;a friend;our office;myself;my sister;the kids".split(";")

SYLLABLES_1 = """Ve No Ki Za Lu Mo Bra Tri Fe Or Sil Pa Du Gra Ny Qui Hel Am Ro Ta Ex Bo Ce Flo Ju Wi Al Be Cor Den El Far Gil Har
Is Jor Kel Lan Mer Nor Ost Pel Ran Sol Tor Ul Vin Wes Xan Yor Zel""".split()
SYLLABLES_2 = """lo ra mi ver ta ni du ster bo lex ka ri mo zen tu va pel no dri sa den gar lin mer tis vor wen bur can fi hol
jan kor len""".split()
SYLLABLES_3 = "ra x wick tec lia dex nor ly s va zo ne mont ta rix la on ia field port well ton is us er".split()
WORDS = """falcon maple river ember cobalt willow summit harbor nova cedar otter quartz comet lotus badger coral atlas pepper
meadow tiger anchor velvet canyon drift echo fable glacier hazel iris jasper kite lemon marble nectar onyx pearl quill raven
saffron thistle umber violet walnut yarrow zephyr birch clover dune elm fern amber beacon crane delta eagle flint grove heron
ivory juniper koala lynx mango nimbus olive panda quail robin spruce topaz urchin viper wren apple basil cactus dahlia""".split()

OPENINGS = """Hello,;Hi,;Good morning,;Dear team,;Hello dear team,;Good day,;Hi there,;Hello support,;Hey,;Good evening,;Hi team,;
Dear Sir or Madam,;Hello everyone,;Hi folks,;To whom it may concern,;Hey there,;Hello again,;Dear support,;Good afternoon,;
Dear all,;Hi you lot,;Dear customer service,;Hi guys,;Hello, me again,;Dear ladies and gentlemen,;Morning,;Hi support people,""".replace("\n", "").split(";")

BACKGROUND = [
    "I [bought|ordered|got|purchased] {it} [last week|{n} weeks ago|last month|on {day}|in {month}|in your shop in {c}|online].",
    "It [was|is] a [gift|present|birthday gift] for {rel}.", "I have been [a customer|with you] for {n} years.",
    "[This is|It is] [already ][my {n}th|the second] [mail|message|time I write].", "I [tried|called] the hotline [twice|yesterday|already].",
    "[We|I] [use|need] it [every day|for work|at home|on {day}].", "Nobody [could|was able to] help me [in the shop|on the phone|so far].",
    "[My neighbour|{rel}] told me to [write|ask] [you|here].", "I am [on holiday|travelling] [until {day}|next week|in {month}].",
    "I paid {a} euros [for it|in total].", "I looked [everywhere|on your website|in the manual] [first|already].",
    "The [photos|receipt|details] are attached.", "Your [website|shop|page] [was not helpful|did not tell me].",
    "[So far|Until now] I was [always ]happy with [you|your shop].", "I [hope|trust] that [you can help|this can be solved].",
    "[Normally|As a rule] I [never|do not] write [such mails|to shops], [but today I have to|but here we go|so bear with me].",
    "[I am writing|I write] this [on the train|late at night|between two meetings|from my phone], so [please excuse|forgive] [the typos|my short words].",
    "[A friend|A colleague|The lady next door] has [the same one|one too] and [told me about you|sent me to your shop|gave me this address].",
    "[My English is not the best|English is not my first language|I am not good with computers], [I hope you understand me|please be patient with me].",
    "[We live far from the next shop|With {n} children at home|In my job], [one has little time for such things|I depend on things like this|it is in use all week].",
    "[I am {b} years old and|I am retired and|I am a student and] [this was a lot of money for me|I had saved up for it].",
    "[I saw|We chose|{n} of us looked at] {it} [in {month}|together in {c}|at a fair in {c}] and [liked it at once|thought about it for long|compared it with many others].",
    "[I wrote to you|I already wrote] on {day} [through the form|by mail|in the chat], [perhaps it got lost|and had no answer|maybe you saw it].",
]
TONE_OPENINGS = {
    "angry": ["This is [unacceptable|outrageous|ridiculous|a scandal].", "I am [really|very|so|extremely] [annoyed|angry|upset|mad].",
              "What a [terrible|horrible|lousy|miserable] [service|shop|experience]!", "This is a [bad ]joke.",
              "I am [fed up|sick and tired|done] with [you|this shop|your company].", "You are the worst [shop|company] ever.",
              "I have [had enough|lost all patience].", "How [dare you|is this even possible]?", "Never again will I [buy|order] here.",
              "I am [furious|disgusted|livid].",
              "[Do you even read|Does anybody read] what your customers write[, or is it all for the bin|]?", "[In {n} years|In all my life] I have [never|not once] been treated [so badly|like this].",
              "[You should be ashamed|Shame on you|What a disgrace].", "[Stop wasting my time|Do not fob me off again|Spare me your excuses], [I have had it|it is an insult|I am boiling].",
              "I will [tell everyone|write a bad review|see a lawyer][ about this mess| if this goes on|, you incompetent lot]."],
    "friendly": ["I hope you are [well|doing fine|having a good week].", "I have a [small|little|quick] [request|favour to ask].",
                 "You [always|usually] help me so [kindly|quickly].", "[Sorry|I am sorry] to [bother|trouble] you.",
                 "I am a [happy|loyal|satisfied] customer.", "Maybe you can [help|assist] me.", "I hope you have a [nice|great|lovely] day.",
                 "Thank you for your [great|kind|lovely] work.", "I [really |do ]like your [shop|products].", "Greetings from [sunny |rainy |]{c}!",
                 "[You were so nice|You were so patient with me] the last time, [so I gladly write again|I have not forgotten it].",
                 "[I know you are busy|You surely have a lot to do], [so thank you for reading this|so I am grateful for any help].",
                 "It would be [so kind|wonderful|lovely] [of you to help me|if you could have a look].", "[Everybody|Anybody] can [slip up|make a mistake], [no hard feelings|do not worry].",
                 "[A warm hello|Warm wishes|Sunny greetings] to [the whole team|all of you]!", "[I would be so grateful|You would make my day] [if you could help|with a short answer]."],
}
CLOSINGS = {
    "urgent": ["It is [very|really|extremely] urgent.", "Please [answer|reply|respond] [today|right away|at once].", "I need [help|an answer] [at once|immediately|now].",
               "Please hurry[ up|].", "I need [an answer|it] within [the hour|{n} hours].", "This cannot wait.", "Please call me back [right now|today].",
               "[Time is short|I have a deadline|We need it tomorrow].", "As soon as possible, please.", "It is an emergency.",
               "[I leave|We leave|My train goes] [tomorrow morning|tonight|in {n} hours], so [be quick|please act now|every minute counts].", "[ASAP|Top priority|Urgent], please!",
               "I am [sitting by the phone|waiting at the phone][ and need to hear from you today|, call me this minute|].", "[Drop everything else|Do not let this wait], [it has to be settled today|I need it now].",
               "By [tonight|noon|this evening] [it will be too late|I must know]."],
    "calm": ["There is no [hurry|rush].", "Take your time.", "It can wait [until|till] next [week|month].", "Answer when[ever|] you [can|have time].",
             "It is not urgent.", "Any day is fine[ for me|].", "No need to [rush|hurry].", "[Next week|Later] is [fine|early enough].",
             "Whenever it suits you.", "I am in no hurry.",
             "[I am away until {month} anyway|We are on holiday until {month}], so [there is plenty of time|it does not matter when].", "[Please do not stress|Do not hurry] [because of me|on my account].",
             "[Have a quiet weekend first|Finish the important things first], [I can wait|mine can wait].", "[A few days more or less|A week or two] [make no difference|do not matter to me].",
             "[Some time|Any time] [this month|in {month}] [will do|is soon enough]."],
}
NEUTRAL_CLOSINGS = ["Thank you[.|!]", "Thanks[ in advance|].", "Please help[ me|].", "What can [we|I] do?", "Kind regards.", "Let me know.",
                    "[Many|Best] thanks.", "I look forward to your [reply|answer].", "Please advise.", "Any ideas?", "Cheers.", "What now?",
                    "[I would be glad|It would be nice] to hear from you.", "[How do we go on|What is the next step|What do you suggest]?", "[You can reach me|Write to me] at this address.",
                    "[If you need anything else|If something is unclear], [just ask|tell me|write back].", "[Thank you for your time|Thanks for reading this far][ and best regards|].",
                    "I [count on|rely on] you[ and your team|]."]
SIGNATURES = ["{n}", "Regards, {n}", "Best, {n}", "Yours, {n}", "Thanks, {n}", "Kind regards, {n}", "- {n}", "Cheers, {n}", "Best wishes, {n}",
              "My name is {n}.", "This is {n}.", "{n} here."]
ORDER_PHRASES = ["My order number is {o}.", "The order is {o}.", "It is order {o}.", "Order number {o}.", "Order {o}.", "The number of the order is {o}.",
                 "You find it under order {o}.", "(order {o})", "Reference: order {o}.", "I am writing about order {o}."]
CITY_PHRASES = ["I live in {c}.", "I am writing from {c}.", "My city is {c}.", "I am in {c}.", "We are based in {c}.", "Please note that I live in {c}.",
                "Our home is in {c}.", "I write to you from {c}."]

TONES = {"angry": {"names": ["Angry", "Negative", "Upset", "Complaint"], "meanings": ["angry customers", "a rude tone", "the customer is upset"]},
         "friendly": {"names": ["Friendly", "Positive", "Kind", "Polite"], "meanings": ["friendly customers", "a kind tone", "the customer is polite"]}}
URGENCIES = {"urgent": {"names": ["Urgent", "High", "Now", "Immediate"], "meanings": ["urgent messages", "the customer is in a hurry", "needs an answer at once"]},
             "calm": {"names": ["Calm", "Low", "Later", "Normal"], "meanings": ["messages that can wait", "there is no hurry", "not urgent"]}}

CTA_VERBS = """Call us;Write to us;Visit us;Talk to us;Ask us;Chat with us;Meet us;Reach us;Find us;Text us;Come and see us;Join us;
Drop us a line;Send us a note;Book a visit;Try our app;Follow us;Leave us a review;Track your order;See our guide""".replace("\n", "").split(";")
CTA_TAILS = """any time;today;in our shop;on our website;at your nearest store;when you like;tomorrow;on the phone;by mail;this week;
in {c};before noon;on {day};day and night;for more;online;with one click;in the app;at your desk;around the clock""".replace("\n", "").split(";")
SIGN_OFFS = ["Your {b} team", "Team {b}", "The {b} crew", "Yours, {b}", "{b} support", "With care, {b}", "Best wishes, {b}", "{b} says thanks",
             "Stay bright, {b}", "Have fun, {b}", "Cheers, {b}", "{c} greetings, {b}", "Warm regards, the {b} team", "{n} from {b}", "Your friends at {b}",
             "Sincerely, {b}", "{b}, always here", "Kind regards, {b} support"]
GREETINGS = ["Hello {n},", "Dear {n},", "Hi {n}!", "Ahoy {n}!", "Good day {n},", "Welcome {n},", "Hey {n},", "Thanks {n}!", "Hello {n}!", "Hi {n},",
             "Greetings {n},", "Hi there {n},", "Good to hear from you, {n}!", "Thank you for writing, {n}."]
NAMELESS_GREETINGS = ["Hello,", "Dear customer,", "Hi there!", "Good day,", "Welcome!", "Hello and thank you for writing.", "Greetings,", "Dear friend,",
                      "Thank you for your message.", "Thanks for reaching out!"]
UNKNOWN = "I do not have that information."
GENERIC = ["Thank you for your message. We will look into it and get back to you soon.",
           "Thank you for writing to us. We will take care of it."]
