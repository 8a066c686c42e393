"""The passwords that people choose most often, as they stand in leaked lists: what an attacker tries first.

Source: the password list of zxcvbn, ranked by how often each was seen, in its Python edition 4.5.0: of those of letters and figures the
first 2,500 of five characters or more, and every one of thirteen or more. It is licensed as follows.

MIT License. Copyright (c) 2012-2016 Dan Wheeler and Dropbox, Inc.; Python edition copyright (c) 2016 Daniel Wolf.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

from __future__ import annotations

from typing import Final

_LISTED: Final = """
000000 000001 000007 007007 01011 01011970 01011980 01011981 01011985 01011986 01011988 01011989 01011990 01011991
01012000 01012001 01012010 01012011 010203 100000 10203 102030 102938 1029384756 111111 11111111 11112222 111222
111222333 111222333444555 112233 11223344 1122334455 112358 11235813 1123581321 12121 121314 12131415 122333
122333444455555 123098 12312 123123 12312312 123123a 123123q 1232323q 12332 123321 123321123 123321q 1234321
12344321 12345 123454321 1234554321 123456 1234567 12345678 1234567887654321 123456789 1234567890
12345678900987654321 1234567890987654321 1234567890q 1234567890qaz 1234567890qwe 1234567890qwerty 1234567890zzz
12345678910 1234567892000 12345678987654321 123456789987654321 123456789a 123456789q 123456789qwer 123456789qwerty
123456789z 1234567a 1234567q 1234567qwertyu 123456a 123456aa 123456k 123456q 123456qwerty 123456r 123456z 123457
12345a 12345q 12345qwert 1234abcd 1234qwe 1234qwer 1234qwerasdfzxcv 123654 123654789 12369874 123698745 123789
123789456 123987 123abc 123asd 123qaz 123qwe 123qwe123 123qweasd 123qweasdzxc 123zxc 124578 128500 12qwaszx 131313
132435 13243546 134679 135246 13579 135790 1366613 141627 142536 147258 147258369 147852 147852369 1478963 14789632
147896325 150781 15426378 159357 159753 159951 162534 18436572 192837465 1a2b3c 1a2b3c4d 1passwor 1q2w3e 1q2w3e4r
1q2w3e4r5t 1q2w3e4r5t6y 1qa2ws3ed 1qa2ws3ed4rf5tg 1qaz2wsx 1qaz2wsx3edc 1qaz2wsx3edc4rfv 1qazxsw2 1qazxsw23edcvfr4
200000 2128506 222333 223344 23176djivanfros 246810 25802580 258456 31217221027711 314159 31415926 315475 321123
321456 321654 321654987 32615948worms 332211 362436 420247 420420 445566 456123 456321 456654 456852 4815162342
4815162342lost 4runner 50cent 555666 59382113kevinp 654321 666666 666777 666999 6751520 696969 73501505 741852
741852963 753159 753951 7753191 7777777 778899 789123 789456 78945612 789456123 7895123 789654 789987 852456 8675309
89876065093rax 8j4ye3uz 906090 911911 9379992 951753 963852 963852741 987456 a12345 a123456 a1234567 a123456789
a1b2c3 a1b2c3d4 a1s2d3f4 aaa111 aardvark abc12 abc123 abc12345 abcd1234 aberdeen abgrtyu absolut access access14
accord achilles action adgjmptw adidas admin admin18533362 adonis aezakmi agent007 aggies aikido airborne airbus
airforce airplane alabama alaska albatros albion alejandr aleksandr alexande alexandr alexis alibaba aliens allsop
alpha alpha1 alpine alucard amadeus amadeusptfcor amanda1 amateur amazon amber1 america america1 amsterda amsterdam
an83546921an13 anaconda anakin analsex anarchy andrei andrew1 andrey anfield angel angel1 angels anhyeuem animal
anime anthony1 anubis apache apollo apollo13 apple apple1 applepie apples aquarius aragorn area51 arizona arjay
armani arsenal arsenal1 artemis asd123 asdasd asdf123 asdf1234 asdfasdf asdfg asdfgh asdfghj asdfghjk asdfghjkl
asdfjkl asdzxc ashley1 aspire aspirine assassin assfuck asshole asshole1 assman asterix astros atlanta atlantis
atomic auburn aussie austin australi avalon avatar avenger awesome azamat azerty azsxdc azsxdcfv babes babyboy
babydoll babygirl babylon babylon5 backdoor badass badboy baddog badger baggins baller balloon balls bambam banana
bananas bandit bangkok banker banshee barbie barcelon barcelona barkley barney barsik baseball basket basketba
bassman bastard batman batman1 beagle beaner beanie beast beastie beatles beauty beaver beavis beckham beefcake
beetle berlin bicycle bigballs bigbear bigbird bigboobs bigboy bigcock bigdaddy bigdick bigdog bigfoot biggie bigguy
bigmac bigman bigmoney bigone bigred bigsexy bigtime bigtits bikini billy1 billybob billyboy bingo birdie birdman
biscuit bitch bitch1 bitches biteme bizkit blabla black1 blackcat blackdog blackhaw blackie blackjac blacks blacky
blade blades blahblah blaster blazer blessed blink182 blizzard blonde blondes blondie blowjob blowme bltynbabrfwbz
blue123 blue22 bluebird blueboy bluedog blueeyes bluemoon blues bluesky bob123 bobafett bobby1 bobcat boeing bogart
bogdan bohica bollocks bollox bomber bond007 bondage bonehead boner bones bonjour bonkers bonsai boobies booboo
boobs booger boogie boomboom boomer bootie boots booty bosco bossman boston bowler bowling boxing bpgjldsgjldthnf
br0d3r brando brandon1 brandy brasil braves brazil breast breeze brian1 brighton bristol britney bronco broncos
brooklyn brownie browns brucelee bruins brutus bubba bubba1 bubbas bubble bubbles buckeye buckeyes buckshot buddha
buddy buddy1 budlight budman budweise buffalo buffett bugger bulldog bulldogs bullet bullseye bullshit bunghole
bunny burger buster buster1 butch butter butterfl butterfly butthead butthole buttman buttons byteme cabbage cactus
cadillac caesar calico caliente californ caligula camaro camel camelot camels cameron canada cancer cancun candle
candyman canon cantona capone captain caramel cardinal carolina carpet carrera carrot cartman cartoon caserta casey1
casino casper cassie cat123 catch22 catdog catfish catherin catman cavalier caveman ccbill cdtnkfyf celica celine
celtic celtics cessna chainsaw champ champion champs changeme chaos charger chargers charles1 charli charlie
charlie1 charlott charlton charly charmed chaser cheers cheese cheetah chelsea chelsea1 cherokee cherry chester
chester1 chevelle chevrole chevy chevy1 chewie cheyenne chicago chicago1 chichi chicken chicken1 chickens
chickenwing101 chicks chico chiefs chipper chivas chocolat chopper chris1 chrisbln chrissy christ christia christin
christop chronic chrono chubby chucky cigars cinder cinnamon cjkysirj cjkywt clancy clapton classic clemson clipper
clitoris cloud9 clover cobra cobra1 cocacola cocks coconut coffee cohiba colombia colorado colors colt45 coltrane
commando compaq compute computer concrete condom condor connect connor consumer contortionist cookie cookies
cooldude cooler coolguy coolio coolman cooter copper corona corrado corvette cosmo cosmos cosworth cougar
counterstrike cowboy cowboys cowboys1 coyote cracker crazy1 crazybab creampie creamy creative cricket crimson
critter cruise cruiser crunch crusader crysis cthulhu cthutq cuddles cumming cumshot cunts cupcake curious cutlass
cutter cxfcnmt cyber cyclone cyclops cypress daddy1 dagger daisy1 dakota dalejr dallas dallas1 dammit damnit dancer
danger danie daniel1 daniil danila danni dannyboy danzig darkness darkside darkstar david1 davids daytona dbrnjhbz
deadhead deadman death1 deepthroat deeznuts defender defiant deftones delete delta delta1 denali deniska depeche
desert designer desire deskjet destiny detroit devil devildog devils dexter dfkthbz dfkthf dfktynbyf dfvgbh diablo
diamond diamond1 diamonds dickhead dicks diesel dietcoke digger digital dilbert dildo dilligaf dinamo dingdong
dinosaur discover disney divine dkflbckfd dkflbvbh doberman doctor dodger dodgeram dodgers doggie doggy dogman
dollar dolphin dolphins domainlock2005 domino donkey doobie doodle dookie doughboy dracula drago dragon dragon1
dragons dragoon dreamer dreams driver drizzt drowssap drpepper drummer dthjybrf dublin ducati duchess dumbass
durango duster eagle eagle1 eagles eastside eatme eatpussy eatshit eclipse eduard eeyore einstein ekaterina electric
element elephant elizabet elvis1 emerald emily1 eminem empire engage engineer enigma enter enter1 enterpri
enterprise ericsson erotic escort eternity europa everest everton excalibu exigen exigent exodus explorer express
extreme fabie fabric facial faggot falcon falcons fallen fallout fantasy farside faster fatass fatboy fatcat fatman
feather fender fernand ferrari ferrari1 ferret fetish ficken fiesta figaro fighter filter finger fireball firebird
firefly firefox fireman fishes fishing fitness fktrcfylh fktrcfylhf fktrcfylhjdbx fktrcfylhjdyf fktrctq flames
flamingo flash flash1 flatron fletch flipper floppy florian florida florida1 flounder flower fluffy flvbybcnhfnjh
flyboy flyers foobar football football1 fordf150 forest forever forfun formula formula1 fortuna fossil foxtrot
frank1 franky freaks freaky freckles freddy frederiksberg freedom freedom1 freepass freeporn freeuser friday fright
frisco frodo frogger froggy front242 frontier frosty fubar fucked fucker fuckers fuckface fuckher fucking fuckit
fuckme fuckoff fuckthis fucku2 fuckyou fuckyou1 fuckyou2 fugazi funtime fusion fyfcnfcbz fylhtq gabrie galaxy galina
galore gambit gandalf gandalf1 gangbang gangsta gangster garden garfield gargoyle gateway gateway1 gator gators
gbpltw geheim gemini genesis genius george1 geronimo getmoney getsome gfhjkm gfhjkm123 ghbdtn ghbdtnbr ghbdtnrfrltkf
ghetto ghjcnj ghjcnjnfr ghjcnjqgfhjkm ghjcnjrdfibyj ghjnbdjcnjzybt ghost giants ginger giorgi girls gizmo gizmo1
gizmodo gjkbyf gmoney gn56gn56 goalie goblin goblue goddess godsmack godzilla gofish goforit golden goldfish
goldstar golfball golfer golfing goliath gonzo goober goodluck goodtime google goose gopher gordon24 gorilla gotcha
gothic gotohell govols granny grapes great1 greatone green1 greenbay greenday greens gremlin grendel griffey gringo
grizzly groovy groucho grumpy guardian guiness guinness guitar gundam gunnar gunner gunners gustav hacker hal9000
halflife hallo hambone hamburg hamlet hammer hammers hamster hannah hannibal hansolo happy1 happy123 happyday
hardcore hardon hardrock harley harley1 hawaii hawkeye hd764nw5d7e1vb1 hearts heather1 heaven hedgehog hellfire
hello hello1 hello123 helloo hellyeah helpme hendrix hentai herbie hercules hermes hershey hesoyam hidden highland
hiphop hithere hitler hitman hjvfirf hobbes hobbit hockey holiday holly1 hollywoo holyshit homer1 homers homerun
honda honda1 hongkong hooker hooter hooters horizon horndog hornet horney horny horny1 horse horses hotboy hotdog
hotrod hotsex hotshot hotstuff hottie hummer hunter hunter1 hunting hurrican husker huskers huskies hustler hyperion
ibanez icecream iceman iforgot iguana ihateyou illini ilovemyfamily ilovesex iloveu iloveyo iloveyou immortal impala
incubus indiana indians indigo inferno infiniti infinity insane integra internet intrepid intruder irina irish1
ironman iseedeadpeople italia ivanov ivanova iverson iwantu jabroni jackal jackass jackoff jackson1 jacob1 jaguar
jamaica james1 jamesbon jamesbond jammer jarhead jasmine jasmine1 jason1 jasper jayhawk jazzman jenny1 jericho
jerkoff jessica1 jester jesus1 jethro jimbo jimbob jimmy1 johannes john316 joker jokers jordan jordan1 jordan23
jrcfyf juggalo juice jumper junebug jungle junior jupiter justdoit justice justin1 justme juventus kahuna kaktus
kamikaze kangaroo kansas karate karina karolina kasper katana katerina katie1 katrin kawasaki kcj9wx5n keeper kelly1
kenshin kenwood kenworth kevin1 keyboard keystone keywest kickass kicker killbill killer killer1 killme kingfish
kingkong kingpin kingston kinky kipper kirill kisses kissme kitkat kitten kitty kitty1 kittycat klaster klingon
knicks knights knopka kodiak kolobok koshka kostya kotenok krishna ktyjxrf kungfu labrador labtec lacrosse ladybug
laguna lakers lancelot lancer lansing laptop larisa lasvegas latino leather ledzep legacy legend legion legolas
lennon leopard lesbian lesbians lespaul lestat letmein letmein1 letmein2 letsgo lexmark lhbjkjubz2957704 liberty
licker lickit lickme lifehack lightnin lights lineage2 lionking liquid liverpoo liverpool lizard lobster logitech
lol123 lolipop lollipop lollol london lonestar lonewolf longhorn looker looser loser lost4815162342 love123 love69
loveit lovely loveme lover loverboy lovers loveyou lowrider lucifer lucky lucky1 lucky13 lucky7 luckydog lvbnhbq
lytghjgtnhjdcr macdaddy machine macross maddie maddog madison madison1 madman madmax madness madonna maestro maggie
magic magic1 magick magicman magnum magnus maiden mailcreated5240 mailman majestic makaveli maksim malaka malibu
malina mallard mamapapa manchest manchester mandingo maniac manson manutd maprchem56458 maradona marathon marina
marine mariners marines marino marino13 marlboro marley martini maryjane massive master master1 masterbaiting
matador matrix matthew1 mature maurolarastefy maverick maxell maxima maximus maxwell mayday mayhem meatball meatloaf
mechanic megadeth megaman megapass melissa1 mellon memorex memphis mercedes mercury meridian merlin mersedes
metallic metallica mexico miami michael1 michaeljackson michigan mickey microlab microsof microsoft midget midnight
mighty mikey milana milano milena minecraft minime mirage misfit mister mistress mnbvcxz molly1 moloko molson
momoney momsanaladventure monaco monday mondeo money money1 moneyman moneys mongoose monitor monkey monkey1 monkeys
monopoly monster montana montreal moocow mookie moomoo moose moose1 morganstanley morpheus moscow mother motorola
mountain mouse mozart muffin mulder multiplelo munchkin muppet muscle mushroom music1 musica musicman mustang
mustang1 mustangs mybaby mylove mypass mystic naked napass naruto nascar nasty nastya natali natasha naughty ncc1701
ncc1701a ncc1701d ncc1701e ne1469 nebraska nemesis nemvxyheqdd5oqxyxyzi neptune nevada newcastl newlife newpass
newport newproject2004 newyork nfnmzyf nhecsyfujkjdt nhfdvfnjkju123 nicola nicole1 nigger nikita nikola nimrod
niners ninja nintendo nipper nipple nipples nirvana nissan nofear nokia nolimit noodle noodles nookie nopass nudist
nugget number1 nuttertools nwo4life nyjets nylons nymets oakland obiwan oblivion ohyeah oicu812 oilers oksana
olcrackmaster oldman oliver olivier omega omega1 onelove online onlyme openup operator oracle orange oranges orgasm
orioles orion oscar1 osiris ou812 outlaw overlord oxford p0015123 pa55w0rd pa55word packard packer packers packers1
pacman pakistan paladin panama panasoni panasonic pancho panda pandora pantera panther panthers panties pantyhos
panzer paradise paradox paraklast1974 parola parrot pascal pass123 pass1234 passat passion passme passport passw0rd
passwor passwor1 password password1 password123 passwords passwordstandard passwort patches patrick1 patriot
patriots pavilion peaches peanut peanuts pearljam pebbles peekaboo peewee pegasus pencil penguin penguins penis
penthous pentium pepper pepper1 pepsi pepsi1 pervert peter1 peterpan peugeot phantom philips phillies philly phoenix
phoenix1 photos phpbb picard picasso piccolo pickle pickles piglet pikachu pillow pimpin pineappl pingpong pinkfloy
pioneer pippen pirate pirates pisces pistol pitbull pizza planet plastic platinum playboy player playtime plumber
plymouth poison poiuyt poiuytrewq pokemon pokemon1 polaris police polina polniypizdec0211 polniypizdec110211 polska
pompey poncho pontiac poodle poohbear pookie poontang pooper poopie poopoo pooter popcorn popeye poppy porkchop
porno pornos pornstar porsche porsche9 portland portugal poseidon possum postal potato powder power1 precious
predator prelude presario presto primus prince princes princess printer private privet prodigy psycho pumpkin
punisher punkin punkrock puppies puppy pupsik purple pussie pussies pussy pussy1 pussy69 pussycat pussys putter
pyramid python q12345 q123456 q1w2e3 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 q1w2e3r4t5y6u7 q1w2e3r4t5y6u7i8
q1w2e3r4t5y6u7i8o9p0 qawsed qawsedrf qaz123 qazqaz qazwsx qazwsx12 qazwsx123 qazwsxed qazwsxedc qazwsxedcrfv
qazwsxedcrfvtgb qazxsw qazxswedc qqq111 quantum quattro qwaszx qwe123 qweasd qweasdzxc qweqwe qwer123 qwer1234
qwerasdf qwert qwert1 qwert123 qwertasdfgzxcvb qwerty qwerty1 qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456
qwerty123456789 qwertyu qwertyui qwertyuio qwertyuiop qwertyuiop123 qwertyuiop12345 qwertz r2d2c3po rabbit racecar
racerx racing ragnarok raider raiders raiders1 rainbow raistlin rambler rammstein ramses random ranger ranger1
rangers rangers1 raptor rascal rasdzv3 rasputin rastaman raven raven1 ravens rbhbkk rctybz reaper rebel rebels
red123 redalert redbull reddog redhead redhot redman redneck redrum redskins redsox redwings reebok renault renegade
rereirf rescue retard rfhbyf rfnthbyf rfrfirf rfrnec rhbcnbyf richard1 rightnow ripper rjirfrgbde rjntyjr roadkill
robert1 robotech rocker rocket rockets rockhard rockon rocks rockstar rocky1 roller rolltide romashka rommel ronaldo
rookie rooster rootbeer rosebud rotten route66 rovers royals rubber rulez runner rush2112 ruslan russia rustam
rusty1 sabbath sabine sabres sadie1 safari sailboat sailing sailor saints sakura salmon samantha samiam sammy1
samson samsung samsung1 samurai sandiego sandman sandro sandy1 sapphire sarah1 saratoga sasha1 sassy satan satan666
saturn sausage sayang scania scarface scarlet scooby scoobydo scooter scooter1 scorpio scorpion scotch scotland
scotty scrappy scream scruffy scully seamus seattle sebastia secret secret1 security seeker seinfeld select seminole
semperfi sentinel septembe serega serenity sergei sergey server sesame seven7 sex123 sex4me sexsex sexual sexxxx
sexygirl shado shadow shadow1 shaggy shalom shaman shamrock shaney14 shania shannon1 shaolin shark sharks sharky
shasta shaved shazam shelby shemale sherlock shiloh shithead shitty shogun shooter shorty shotgun showme showtime
siemens sierra silver simba simple simpsons sinatra sinbad sinner sirius sithlord sixers skater skeeter skidoo
skiing skinny skipper skippy skittles skorpion skydive skyline skywalke skywalker slacker slappy slapshot slave
slayer sleepy slick slider slipknot sluts slutty smegma smelly smiles smiley smitty smoke smoker smokey smokin
smooth smudge snake snake1 snakes snapper snapple snatch sneakers snickers sniper snoopdog snoopy snowball snowboar
snowman snuggles sobaka soccer soccer1 socrates softball software sojdlg123aljg soldier soleil solnce sommer sonic
sooners sophie soso123aljg spank spanking spankme spanky sparkle sparky sparta spartak spartan spartans spawn
speaker spectrum speedy spider spiderma spiderman spidey spike spirit spitfire splash splinter spooky spring sprint
sprite spunky spurs spyder squirrel squirt srinivas stalker stallion star69 starbuck starcraft stardust starfish
stargate starship startrek starwars static stealth steeler steelers stefano steph stephani sterlin steve1 sticks
sticky stimpy stinger stingray stinky stocking stocks stonecol stones storm stormy stranger strider strike striker
stripper studly stupid subaru sublime subway success sucker suckit suckme sucks sugar sultan summer summer1 summit
sundance sunday sunnyday sunrise sunset sunshine super super1 super123 superfly superman superman1 supersta
superstar surfer surfing suzuki svetik svetlana swallow sweetpea sweets sweety swimmer swimming swinger swingers
sword swordfis swordfish sydney syracuse systemofadown tacobell tacoma tanker tardis target tarheel tarheels tarzan
tattoo tatyana taurus taylor1 tazman tazmania tdutybq teacher technics techno teens tekken telefon tempest tennis
tequila terminator terror test1 test123 test1234 tester testing texas1 thailand thanatos thankyou theboss
thecakeisalie thecat thegame thekid theking theman theone therock thesims thomas1 thuglife thumper thunder thunder1
thx1138 tickle tiger tiger1 tigers tigger timber tinker tinman tintin titanic titanium titans titleist titties
tolkien tomato tomcat tommy1 tommyboy tootsie topcat topdog topgun topher topper tornado toronto toshiba tottenha
toyota tractor trader trance transam translator travel treasure trebor trfnthbyf tricky trident trigger trinity
triton triumph trixie trojan trojans trombone trooper trouble truck trucker trucks truelove trumpet trunks trustno1
tsunami tuesday tunafish tundra turbo turbo1 turkey turkey50 turtle tweety twilight twisted twister tyler1 typhoon
ultima ultimate umbrella underdog undertaker unicorn unreal usa123 usuckballz1 utopia vacation vader vagina valentin
valentina valera valhalla vampire vanhalen vanilla vector vectra vegeta velvet verbatim veritas vermont veronika
vertigo vette vfczyz vfhbyf vfhecz vfhufhbnf vfksirf vfrcbv vfrcbvrf vfvekz vfvjxrf vh5150 viagra victory viewsonic
viking vikings viktor viktoria viper viper1 vipers virgin vision vitalik vkontakte vladik vladimir vladislav volley
voodoo vortex voyager voyeur vulcan walleye walnut walrus wanker wapbbs warcraft warhammer warlock warlord warrior
warriors wassup waterloo weasel webmaster websolutionssu weezer weihnachtsbau weihnachtsbaum welcome welcome1
werewolf westham westside wetpussy whatever wheels whiskey whisper whitesox whitey whocares whore whosyourdaddy
whynot wibble wicked wildcat wildcats wildfire william1 willow windows winner winston winter wisdom wizard wolf359
wolfgang wolfie wolfman wolfpack wolverin wolverine wolves wombat woody woody1 woofwoof wookie wordpass wrangler
wrestlin wrinkle1 wutang xanadu xavier xbox360 xfiles xtreme yamaha yankee yankees yankees1 ybrbnf ybrjkfq yellow
yfnfif yomama yosemite yourmom yousuck ytrewq yzerman z1x2c3 z1x2c3v4b5n6m7 zaphod zaq123 zaq12wsx zaq1xsw2 zaqwsx
zaqxsw zenith zeppelin zidane zipper zombie zorro zqjphsyf6ctifgu zvezda zxc123 zxcasd zxcasdqwe zxcv1234 zxcvbn
zxcvbnm zxcvbnm1 zxcvbnm123456789
"""
COMMON: Final = frozenset(_LISTED.split())
