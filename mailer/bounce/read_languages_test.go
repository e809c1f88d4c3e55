package bounce

import (
	"fmt"
	"testing"

	"github.com/resetd/resetd/diag/reply"
)

// plainMail makes a mail without a machine-readable part.
func plainMail(returnPath, from, subject, extra, body string) []byte {
	return fmt.Appendf(nil, "Return-Path: <%s>\r\nFrom: %s\r\nTo: app@shop.example\r\nSubject: %s\r\n%sContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		returnPath, from, subject, extra, body)
}

// A notice without a report in it is read in the language of the host: whom it names, and that the address is not there.
func TestLanguagesOfNotices(t *testing.T) {
	const jo = "jo@corp.example"
	for _, c := range []struct{ language, subject, failed, why string }{
		{"nl", "Onbestelbaar: Uw wachtwoord", "Bezorging bij de volgende geadresseerden of groepen is mislukt:",
			"Het e-mailadres dat u hebt opgegeven is niet gevonden. Controleer het e-mailadres van de geadresseerde en probeer het bericht opnieuw te verzenden."},
		{"it", "Non recapitabile: Password", "Impossibile recapitare il messaggio ai seguenti destinatari o gruppi:",
			"L'indirizzo di posta elettronica immesso non è stato trovato. Controllare l'indirizzo e provare a inviare di nuovo il messaggio."},
		{"sv", "Kan inte levereras: Lösenord", "Det gick inte att leverera till följande mottagare eller grupper:",
			"Det gick inte att hitta e-postadressen du angav. Kontrollera mottagarens e-postadress och försök att skicka meddelandet igen."},
		{"pl", "Niedostarczalne: Hasło", "Dostarczenie do następujących adresatów lub grup nie powiodło się:",
			"Nie odnaleziono wprowadzonego adresu e-mail. Sprawdź adres e-mail adresata i spróbuj ponownie wysłać wiadomość."},
		{"ru", "Не доставляется: Пароль", "Не удалось выполнить доставку следующим получателям или группам:",
			"Введенный адрес электронной почты не найден. Проверьте адрес электронной почты получателя и попробуйте отправить сообщение еще раз."},
		{"zh", "无法送达: 密码", "未能传递给下列收件人或组:",
			"找不到您输入的电子邮件地址。请检查收件人的电子邮件地址并尝试重新发送邮件。"},
		{"tw", "無法傳遞: 密碼", "無法傳遞至下列收件者或群組:",
			"找不到您輸入的電子郵件地址。請檢查收件者的電子郵件地址，並嘗試重新傳送郵件。"},
		{"ko", "배달되지 않음: 암호", "다음 받는 사람 또는 그룹에게 배달하지 못했습니다.",
			"입력한 전자 메일 주소를 찾을 수 없습니다. 받는 사람의 전자 메일 주소를 확인하고 메시지를 다시 보내 보십시오."},
		{"tr", "Teslim Edilemedi: Parola", "Aşağıdaki alıcılara veya gruplara teslim başarısız oldu:",
			"Girdiğiniz e-posta adresi bulunamadı. Alıcının e-posta adresini denetleyip iletiyi yeniden göndermeyi deneyin."},
		{"ja", "配信不能: パスワード", "次の受信者またはグループへの配信に失敗しました:",
			"入力した電子メール アドレスが見つかりませんでした。受信者の電子メール アドレスを確認し、メッセージを再送信してください。"},
		{"cs", "Nelze doručit: Heslo", "Doručení následujícím příjemcům nebo skupinám se nezdařilo:",
			"Zadaná e-mailová adresa nebyla nalezena. Zkontrolujte e-mailovou adresu příjemce a zkuste zprávu odeslat znovu."},
		{"da", "Kan ikke leveres: Adgangskode", "Levering til disse modtagere eller grupper mislykkedes:",
			"Den angivne mailadresse blev ikke fundet. Kontroller modtagerens mailadresse, og prøv at sende meddelelsen igen."},
		{"no", "Kan ikke leveres: Passord", "Levering mislyktes til disse mottakerne eller gruppene:",
			"Finner ikke e-postadressen du angav. Kontroller e-postadressen til mottakeren og prøv å sende meldingen på nytt."},
		{"fi", "Ei voida toimittaa: Salasana", "Toimitus näille vastaanottajille tai ryhmille epäonnistui:",
			"Antamaasi sähköpostiosoitetta ei löytynyt. Tarkista vastaanottajan sähköpostiosoite ja yritä lähettää viesti uudelleen."},
		{"hu", "Kézbesíthetetlen: Jelszó", "A kézbesítés a következő címzettek vagy csoportok számára nem sikerült:",
			"A megadott e-mail-cím nem található. Ellenőrizze a címzett e-mail-címét, és próbálja meg újból elküldeni az üzenetet."},
		{"es", "No se puede entregar: Contraseña", "Error al entregar a estos destinatarios o grupos:",
			"No se encontró la dirección de correo electrónico que escribió. Compruebe la dirección y vuelva a enviar el mensaje."},
		{"pt", "Não é possível entregar: Senha", "Falha na entrega a estes destinatários ou grupos:",
			"O endereço de email que você inseriu não foi encontrado. Verifique o endereço de email do destinatário e tente reenviar a mensagem."},
		{"ro", "Nelivrabil: Parola", "Livrarea către acești destinatari sau grupuri nu a reușit:",
			"Adresa de e-mail introdusă nu a fost găsită. Verificați adresa de e-mail a destinatarului."},
		{"uk", "Не доставлено: Пароль", "Не вдалося доставити наступним одержувачам або групам:",
			"Введену адресу електронної пошти не знайдено. Перевірте адресу одержувача."},
	} {
		m := ReadBytes(plainMail("", "postmaster@corp.example", c.subject, "", c.failed+"\n\n"+jo+"\n"+c.why))
		if m.Kind != KindBounce || len(m.Reports) != 1 || m.Reports[0].Recipient != jo || m.Reports[0].Reason != reply.ReasonUserUnknown {
			t.Errorf("%s: %s %+v", c.language, m.Kind, m.Reports)
		}
	}
	for _, c := range []struct{ language, failed, why string }{
		{"nl", "Uw bericht aan jo@corp.example kan niet worden bezorgd.", "jo is niet gevonden op corp.example."},
		{"de", "Ihre Nachricht an jo@corp.example konnte nicht zugestellt werden.", "jo wurde unter corp.example nicht gefunden."},
		{"it", "Il messaggio per jo@corp.example non è stato recapitato.", "jo non è stato trovato in corp.example."},
		{"sv", "Ditt meddelande till jo@corp.example kunde inte levereras.", "jo hittades inte på corp.example."},
		{"pl", "Nie można dostarczyć Twojej wiadomości do jo@corp.example.", "Nie znaleziono użytkownika jo w domenie corp.example."},
		{"ru", "Не удалось доставить ваше сообщение для jo@corp.example.", "Пользователь jo не найден в домене corp.example."},
		{"zh", "无法将你的邮件送达 jo@corp.example。", "在 corp.example 中找不到 jo。"},
		{"ko", "jo@corp.example 님에게 보낸 메시지를 배달할 수 없습니다.", "corp.example에서 jo을(를) 찾을 수 없습니다."},
		{"tr", "jo@corp.example adresine gönderdiğiniz ileti teslim edilemedi.", "jo, corp.example etki alanında bulunamadı."},
		{"ja", "jo@corp.example へのメッセージを配信できませんでした。", "corp.example に jo が見つかりませんでした。"},
		{"pt", "Não foi possível entregar sua mensagem para jo@corp.example.", "jo não foi encontrado em corp.example."},
		{"es", "No se pudo entregar el mensaje a jo@corp.example.", "No se encontró jo en corp.example."},
		{"cs", "Vaši zprávu pro jo@corp.example se nepodařilo doručit.", "Uživatel jo nebyl v doméně corp.example nalezen."},
	} {
		m := ReadBytes(plainMail("", "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615@corp.example>", "Undeliverable: Your password", "", c.failed+"\n\n"+c.why))
		if m.Kind != KindBounce || len(m.Reports) != 1 || m.Reports[0].Recipient != jo || m.Reports[0].Reason != reply.ReasonUserUnknown {
			t.Errorf("%s: %s %+v", c.language, m.Kind, m.Reports)
		}
	}
}

// An absence is an automatic answer in every language, marked as one or only worded as one.
func TestLanguagesOfAbsence(t *testing.T) {
	for _, c := range []struct{ language, subject, body string }{
		{"en", "Out of office: Re: Reset your password", "I am out of the office until Monday and will answer then. If your message could not wait, call +1 555 0100."},
		{"de", "Abwesenheitsnotiz", "Ich bin bis 10.11. nicht im Büro und kann Ihre Nachricht nicht beantworten. Sie wird nicht weitergeleitet."},
		{"fr", "Absence du bureau : Reset", "Je suis absent du bureau jusqu'au 10 novembre. Votre message n'a pas été transmis."},
		{"es", "Respuesta automática: fuera de la oficina", "Estoy fuera de la oficina hasta el lunes."},
		{"it", "Risposta automatica: fuori sede", "Sono fuori sede fino a lunedì 10."},
		{"pt", "Resposta automática: ausente", "Estou ausente do escritório até segunda-feira."},
		{"nl", "Automatisch antwoord: afwezig", "Ik ben afwezig tot maandag."},
		{"pl", "Automatyczna odpowiedź: nieobecność", "Jestem nieobecny w biurze do poniedziałku."},
		{"ru", "Автоответ: нет в офисе", "Меня не будет в офисе до понедельника."},
		{"sv", "Autosvar: frånvarande", "Jag är inte på kontoret till måndag."},
		{"da", "Autosvar: fraværende", "Jeg er ikke på kontoret før mandag."},
		{"fi", "Automaattinen vastaus: poissa", "Olen poissa toimistolta maanantaihin asti."},
		{"tr", "Otomatik yanıt: ofis dışında", "Pazartesiye kadar ofis dışındayım."},
		{"ja", "自動応答: 不在", "月曜日まで不在にしております。"},
		{"zh", "自动答复: 不在办公室", "我外出,周一前不在办公室。"},
		{"ko", "자동 회신: 부재중", "월요일까지 부재중입니다."},
		{"cs", "Automatická odpověď: nepřítomnost", "Do pondělí jsem mimo kancelář."},
		{"hu", "Automatikus válasz: házon kívül", "Hétfőig nem vagyok az irodában."},
		{"he", "תשובה אוטומטית: לא במשרד", "אני לא במשרד עד יום שני."},
		{"ar", "رد تلقائي: خارج المكتب", "أنا خارج المكتب حتى يوم الاثنين."},
		{"th", "ตอบกลับอัตโนมัติ: ลาพักร้อน", "ฉันลาพักร้อนจนถึงวันจันทร์"},
	} {
		for _, extra := range []string{"Auto-Submitted: auto-replied\r\n", "In-Reply-To: <1@shop.example>\r\n"} {
			if m := ReadBytes(plainMail("", "Jo <jo@corp.example>", c.subject, extra, c.body)); m.Kind != KindAutoReply {
				t.Errorf("%s, %q: %s", c.language, extra, m.Kind)
			}
		}
	}
}

// Parcels, payments, news about bounces and people who talk of them: nothing of it is returned mail.
func TestNoBounce(t *testing.T) {
	for _, c := range []struct{ from, subject, body string }{
		{"DHL Paket <noreply@dhl.example>", "Zustellung fehlgeschlagen: Ihre Sendung 123456",
			"Ihre Sendung konnte heute nicht zugestellt werden. Sie wird in der Filiale gelagert."},
		{"UPS <noreply@ups.example>", "Delivery attempt failed",
			"We could not deliver your package today. The following address is incomplete: 12 Long Street. Please contact us at help@ups.example."},
		{"La Poste <noreply@laposte.example>", "Échec de livraison de votre colis",
			"Votre colis n'a pas pu être livré. Il vous attend au bureau de poste."},
		{"Correos <noreply@correos.example>", "Entrega fallida",
			"No se ha podido entregar su paquete."},
		{"Amazon <shipment@amazon.example>", "Your package was undeliverable",
			"We tried to deliver your order but it was returned to sender. A refund was issued to jo@corp.example."},
		{"PostNL <noreply@postnl.example>", "Pakket niet bezorgd",
			"Uw pakket kon niet worden bezorgd bij het opgegeven adres."},
		{"Почта <noreply@pochta.example>", "Отправление не доставлено",
			"Ваша посылка не доставлена по адресу."},
		{"佐川急便 <noreply@sagawa.example>", "配達できませんでした",
			"お荷物を配達できませんでした。"},
		{"顺丰 <noreply@sf.example>", "投递失败通知",
			"您的快递投递失败,请联系我们。"},
		{"Bank <noreply@bank.example>", "Your payment was returned",
			"Your payment of 20.00 was returned because the account is closed. Contact help@bank.example."},
		{"Billing <billing@vendor.example>", "Invoice 77: delivery failed",
			"Delivery of your order failed. Invoice attached. Recipient: jo@corp.example"},
		{"News <news@letter.example>", "This week: why mail bounces",
			"Ten reasons why your mail could not be delivered: user unknown, mailbox full, and more. 550 5.1.1 explained."},
		{"GitHub <noreply@github.example>", "[repo] Webhook delivery failed",
			"A delivery to https://hook.example failed with status 500. Delivery failed permanently."},
		{"Cron Daemon <root@host.example>", "Cron <root@host> backup",
			"rsync: connection timed out\nbackup failed\n"},
		{"Campaigns <report@esp.example>", "Campaign report: 3 bounces",
			"Your campaign was sent to 100 recipients. 3 bounced: jo@corp.example (550 5.1.1 user unknown), al@corp.example (mailbox full)."},
		{"SMS Gate <noreply@sms.example>", "SMS not delivered",
			"Your text message to +1 555 0100 could not be delivered."},
		{"Phish <admin@webmail-secure.example>", "You have (5) undelivered mails",
			"Dear app@shop.example, 5 incoming messages could not be delivered to your mailbox because your storage is full. Click to release: http://evil.example"},
		{"Jo Bloggs <jo@corp.example>", "Re: your mail",
			"Hi,\n\nyour last mail to al@corp.example bounced, I think his mailbox is full. Try jo2@corp.example.\n\nJo"},
		{"Jo Bloggs <jo@corp.example>", "Re: Undelivered Mail Returned to Sender",
			"Hello,\n\nwhat does this mean? I got it yesterday.\n\n> This is the mail system at host mx.corp.example.\n>\n> I'm sorry to have to inform you that your message could not\n> be delivered to one or more recipients.\n>\n> <al@corp.example>: host mx[192.0.2.9] said: 550 5.1.1 User unknown\n"},
		{"Jo Bloggs <jo@corp.example>", "AW: Ihre Anfrage",
			"Guten Tag, meine alte Adresse gibt es nicht mehr, die Mail kam zurück: \"550 User unknown\". Bitte nehmen Sie jo2@corp.example."},
		{"Lists <list-owner@lists.example>", "[postfix-users] Digest",
			"Message 1\nSubject: Mail delivery failed\n\nMy log says: status=bounced (host mx said: 550 5.7.1 blocked)\n"},
		{"Calendar <jo@corp.example>", "Declined: Meeting",
			"Jo has declined: I am out of the office."},
		{"HR <hr@corp.example>", "Undeliverable parcels at reception",
			"There are three undeliverable parcels at the reception desk. Please collect them."},
		{"Shop <orders@vendor.example>", "Order failed",
			"Your order could not be completed. Card rejected."},
		{"Mailing <owner@lists.example>", "Your subscription: bounce warning",
			"Your membership in the mailing list has been disabled due to excessive bounces. Click to re-enable."},
		{"Monitor <alert@monitor.example>", "CRITICAL: SMTP mx.corp.example",
			"Service SMTP on mx.corp.example is CRITICAL: connection refused. Notification to jo@corp.example"},
		{"Wedding <anna@friends.example>", "returned",
			"Your letter was returned to me by the post office, address unknown!"},
		{"Courier <noreply@gls.example>", "Undeliverable: your parcel 991",
			"Parcel 991 for jo@corp.example is undeliverable: recipient unknown at this address. It is being returned to the sender."},
		{"Mail Admin <admin@evil.example>", "Undelivered messages: 5 incoming mails pending",
			"You have 5 undelivered mails because your mailbox is full. Click here to release your messages: https://evil.example/login"},
		{"Mail Admin <admin@evil.example>", "Undelivered mails: 5 messages pending",
			"Dear user app@shop.example,\nYour mailbox is full. 5 incoming messages could not be delivered to app@shop.example. Release them: https://evil.example/login"},
		{"Postmaster <postmaster@shop.example>", "Your mailbox is almost full",
			"Your mailbox app@shop.example has reached 95 % of its quota. When it is full, new mail will be rejected."},
		{"Postmaster <postmaster@shop.example>", "Spam quarantine digest",
			"The following messages were quarantined and have not been delivered:\n\n news@letter.example  Cheap watches\n\nClick to release."},
		{"Al <al@shop.example>", "FW: Undeliverable: Reset your password",
			"Can you look at this?\n\n-----Original Message-----\nFrom: postmaster@corp.example\n\nDelivery has failed to these recipients or groups:\n\njo@corp.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound ##"},
		{"Fax <fax@voip.example>", "Fax delivery failed to +1 555 0100",
			"Your fax to +1 555 0100 could not be delivered: no answer. It was tried 3 times."},
	} {
		if m := ReadBytes(plainMail("news@vendor.example", c.from, c.subject, "", c.body)); m.Kind != KindNone {
			t.Errorf("%s: %s %+v", c.subject, m.Kind, m.Reports)
		}
	}
	// What wants no answer and speaks of a failure, but of no mail.
	if m := ReadBytes(plainMail("", "Cron Daemon <root@host.example>", "Cron <root@host> job", "Auto-Submitted: auto-generated\r\n", "delivery failed: connection timed out")); m.Kind != KindNone {
		t.Errorf("cron: %s", m.Kind)
	}
}

// A mail that wants no answer, says that ours failed and why, is no absence, although the reason is one.
func TestGonePerson(t *testing.T) {
	m := ReadBytes(plainMail("", "administrator@corp.example", "Undeliverable mail", "",
		"This is an automatic message.\n\nThe person you tried to reach, jo@corp.example, has left the company. Your mail was not delivered."))
	if m.Kind != KindBounce || len(m.Reports) != 1 || m.Reports[0].Recipient != "jo@corp.example" || m.Reports[0].Reason.Class() != reply.Hard {
		t.Errorf("%s %+v", m.Kind, m.Reports)
	}
}

// Scanners and group services report in words of their own.
func TestOtherReporters(t *testing.T) {
	for _, c := range []struct {
		from, subject, extra, body string
		want                       reply.Reason
	}{
		{"MailScanner <postmaster@corp.example>", "{Virus?} Warning: E-mail viruses detected", "", "Our virus detector has just been triggered by a message you sent:-\n  To: jo@corp.example\n" +
			"One or more of the attachments (invoice.zip) are on the list of unacceptable attachments or contained a virus and will not have been delivered.", reply.ReasonVirusDetected},
		{"Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", "X-Failed-Recipients: jo@corp.example\r\n",
			"We're writing to let you know that the group you tried to contact (jo) may not exist, or you may not have permission to post messages to the group.", reply.ReasonRecipientRestricted},
	} {
		m := ReadBytes(plainMail("", c.from, c.subject, c.extra, c.body))
		if m.Kind != KindBounce || len(m.Reports) != 1 || m.Reports[0].Recipient != "jo@corp.example" || m.Reports[0].Reason != c.want {
			t.Errorf("%s: %s %+v", c.subject, m.Kind, m.Reports)
		}
	}
}

// Who is greeted is not who failed: the returned mail says to whom it went.
func TestGreetedSender(t *testing.T) {
	m := ReadBytes(plainMail("", "Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", "",
		"Hello app@shop.example,\n\nWe're writing to let you know that the group you tried to contact (team) may not exist, or you may not have permission to post messages to the group.\n\n"+
			"----- Original message -----\n\nTo: team@corp.example\nFrom: app@shop.example\nSubject: Reset your password"))
	if m.Kind != KindBounce || len(m.Reports) != 1 || m.Reports[0].Recipient != "team@corp.example" {
		t.Errorf("%s %+v", m.Kind, m.Reports)
	}
}
